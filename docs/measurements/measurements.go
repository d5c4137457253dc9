// SPDX-License-Identifier: Apache-2.0

// Package measurements has the measurements that come with nicwright: figures that
// others published, and runs of the lab. README.md says where each is from.
package measurements

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.ndjson
var files embed.FS

// Names are those that there are, sorted.
func Names() []string {
	found, _ := fs.Glob(files, "*.ndjson") // the pattern is well formed
	for i, f := range found {
		found[i] = strings.TrimSuffix(f, ".ndjson")
	}
	return found
}

// Open gives the samples of one.
func Open(name string) ([]byte, error) {
	text, err := files.ReadFile(name + ".ndjson")
	if err != nil {
		return nil, fmt.Errorf("there is no published measurement %q; there are: %s", name, strings.Join(Names(), ", "))
	}
	return text, nil
}
