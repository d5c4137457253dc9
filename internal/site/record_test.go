// SPDX-License-Identifier: Apache-2.0

package site

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
)

func TestRecordReadsBack(t *testing.T) {
	want := []record{
		{Function: pci.VF("0001:3b:00.0", 1), Up: true, MTU: 9000, Master: 7, Addresses: []string{"192.0.2.77/24"}},
		{Function: pci.VF("0001:3b:00.0", 2), MTU: 1500},
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := parse([]byte("{")); err == nil {
		t.Error("half a record was read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"function":"pci/0001:3b:00.0/vf/1","up":true,"mtu":9000}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := parse(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(records)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(again); err != nil {
			t.Errorf("%s was read, and %s was not: %v", b, again, err)
		}
	})
}
