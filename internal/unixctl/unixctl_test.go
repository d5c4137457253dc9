// SPDX-License-Identifier: Apache-2.0

package unixctl

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// server answers one call.
func server(t *testing.T, answer string) <-chan string {
	t.Helper()
	dir := t.TempDir()
	before := Dirs
	Dirs = []string{filepath.Join(dir, "none"), dir}
	t.Cleanup(func() { Dirs = before })
	if err := os.WriteFile(filepath.Join(dir, "ovs-vswitchd.pid"), []byte("42\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "ovs-vswitchd.42.ctl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		line, _ := bufio.NewReader(c).ReadString('\n')
		asked <- line
		_, _ = c.Write([]byte(answer))
	}()
	return asked
}

func TestCall(t *testing.T) {
	asked := server(t, `{"id":0,"result":"two\nlines\n","error":null}`)
	got, err := Call(t.Context(), "dpctl/dump-flows", "-m")
	if err != nil || got != "two\nlines\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if q := <-asked; !strings.Contains(q, `"method":"dpctl/dump-flows"`) || !strings.Contains(q, `"params":["-m"]`) {
		t.Errorf("asked %s", q)
	}
}

func TestCallErrors(t *testing.T) {
	for answer, want := range map[string]string{
		`{"id":0,"result":null,"error":"\"x\" is not a valid command\n"}`: "not a valid command",
		`{"id":0}`:                               "neither a result nor an error",
		``:                                       "EOF",
		`nonsense`:                               "invalid character",
		`{"id":0,"result":{"a":1},"error":null}`: "cannot unmarshal",
	} {
		server(t, answer)
		if _, err := Call(t.Context(), "x", "y"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "for x y") {
			t.Errorf("%s: got %v, want %q", answer, err, want)
		}
	}
	Dirs = []string{t.TempDir()}
	if _, err := Call(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "is it running?") {
		t.Errorf("without a switch: %v", err)
	}
}
