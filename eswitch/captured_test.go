// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// What is captured of a driver can be said: the drivers are those of the vocabulary.
func TestDriversThatAProfileCanName(t *testing.T) {
	f, _ := reflect.TypeFor[FunctionSpec]().FieldByName("Driver")
	var named []string
	for word := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
		if d, ok := strings.CutPrefix(word, "enum="); ok {
			named = append(named, d)
		}
	}
	if !slices.Equal(named, drivers) {
		t.Errorf("the vocabulary has %q, and captured are %q", named, drivers)
	}
}
