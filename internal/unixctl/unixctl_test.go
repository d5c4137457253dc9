// SPDX-License-Identifier: Apache-2.0

package unixctl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// server answers one call, at the directories it returns; with the answer
// "silent" it does not.
func server(t *testing.T, answer string) ([]string, <-chan string) {
	t.Helper()
	dir := t.TempDir()
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
		if answer == "silent" {
			<-t.Context().Done()
		}
		_, _ = c.Write([]byte(answer))
	}()
	return []string{filepath.Join(dir, "none"), dir}, asked
}

func TestCall(t *testing.T) {
	dirs, asked := server(t, `{"id":0,"result":"two\nlines\n","error":null}`)
	got, err := callAt(t.Context(), dirs, "dpctl/dump-flows", "-m")
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
		dirs, _ := server(t, answer)
		if _, err := callAt(t.Context(), dirs, "x", "y"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "for x y") {
			t.Errorf("%s: got %v, want %q", answer, err, want)
		}
	}
	if _, err := callAt(t.Context(), []string{t.TempDir()}, "x"); err == nil || !strings.Contains(err.Error(), "is it running?") {
		t.Errorf("without a switch: %v", err)
	}
}

func TestSilentSwitch(t *testing.T) {
	dirs, _ := server(t, "silent")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("50 ms are over"))
	defer cancel()
	_, err := callAt(ctx, dirs, "version")
	for _, want := range []string{"does not answer", "50 ms are over", ".42.ctl", "systemctl restart"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err := os.Remove(filepath.Join(dirs[1], "ovs-vswitchd.42.ctl")); err != nil {
		t.Fatal(err)
	}
	if _, err := callAt(t.Context(), dirs, "version"); err == nil || !strings.Contains(err.Error(), "nobody listens") {
		t.Errorf("a switch that is gone: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"id":0,"result":"x","error":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, err := parseAnswer(bytes.NewReader(b)); err != nil && out != "" {
			t.Errorf("%q with %v", out, err)
		}
	})
}
