// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var (
	low  = netip.MustParseAddr("192.0.2.1")
	high = netip.MustParseAddr("192.0.2.2")
)

func newKeys(t testing.TB, bits int) Keys {
	t.Helper()
	k, err := NewKeys(bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestBothEndsAgreeOnKeysAndSPIs(t *testing.T) {
	k := newKeys(t, 256)
	if k.SPI(low, high) == k.SPI(high, low) || k.SPI(low, high) < minSPI || k.SPI(high, low) < minSPI {
		t.Errorf("spis %v and %v", k.SPI(low, high), k.SPI(high, low))
	}
	out, in, err := k.take(low, high)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 36 || len(in) != 36 || bytes.Equal(out, in) {
		t.Errorf("keys of %d and %d bytes, equal: %t", len(out), len(in), bytes.Equal(out, in))
	}
	if _, _, err := k.take(low, high); err == nil || !strings.Contains(err.Error(), "make new ones") {
		t.Errorf("one end had the keys twice: %v", err)
	}
	out2, in2, err := k.take(high, low)
	if err != nil || !bytes.Equal(out, in2) || !bytes.Equal(in, out2) {
		t.Errorf("the other end has other keys (%v)", err)
	}
	if s := k.m.secret(); !bytes.Equal(s[0], make([]byte, 36)) || !bytes.Equal(s[1], make([]byte, 36)) {
		t.Error("the keys are still there when both ends have them")
	}
	if other := newKeys(t, 256); other.SPI(low, high) == k.SPI(low, high) {
		t.Error("two Keys have the same SPI")
	}
	if _, _, err := (Keys{}).take(low, high); err == nil {
		t.Error("the zero Keys gave keys")
	}
	if _, err := NewKeys(192); err == nil {
		t.Error("mlx5 and RFC 4106 profiles know no 192 bits, and NewKeys made them")
	}
}

func TestKeysNeverShow(t *testing.T) {
	k := newKeys(t, 128)
	params := Params{Local: low, Remote: high, Keys: k}
	holder := struct {
		K *Keys
		P *Params
		k Keys
	}{&k, &params, k}
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%o", "%b", "%c", "%T"} {
		fmt.Fprintf(&shown, verb+verb+verb+verb+"\n", k, &k, params, holder)
		fmt.Fprintf(&shown, verb+verb+"\n", []Keys{k}, map[string]Keys{"k": k})
	}
	for _, v := range []any{k, &k, params, holder, []Keys{k}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(b)
		if b, err = yaml.Marshal(v); err != nil {
			t.Fatal(err)
		}
		shown.Write(b)
		slog.New(slog.NewTextHandler(&shown, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("x", "v", v)
	}
	fmt.Fprintln(&shown, fmt.Errorf("error: %v", k), k.String(), k.GoString())
	for _, key := range k.m.secret() {
		for _, form := range []string{
			string(key), hex.EncodeToString(key[:4]), strings.ToUpper(hex.EncodeToString(key[:4])),
			strings.Trim(fmt.Sprintf("%d", key[:4]), "[]"), strings.ReplaceAll(strings.Trim(fmt.Sprintf("%d", key[:4]), "[]"), " ", ","),
			fmt.Sprintf("0x%x, 0x%x, 0x%x", key[0], key[1], key[2]),
		} {
			if strings.Contains(shown.String(), form) {
				t.Errorf("a key shows as %q in:\n%s", form, shown.String())
			}
		}
	}
	if !strings.Contains(shown.String(), `"Keys":"redacted"`) {
		t.Errorf("it is not said that something is left out: %s", shown.String())
	}
}
