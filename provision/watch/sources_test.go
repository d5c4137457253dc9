// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/provision/journal"
)

// comes waits for an event.
func comes(t *testing.T, ch <-chan struct{}) {
	t.Helper()
	select {
	case _, open := <-ch:
		if !open {
			t.Fatal("the events have ended")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no event came")
	}
}

// faucet is a source that a test opens and closes.
type faucet struct {
	ch    chan struct{}
	ended chan struct{}
}

func (f *faucet) source(ctx context.Context, c *await.Counts) (<-chan struct{}, error) {
	c.Events.Add(1)
	f.ch, f.ended = make(chan struct{}), make(chan struct{})
	context.AfterFunc(ctx, func() { close(f.ended) })
	return f.ch, nil
}

func TestSubscriptions(t *testing.T) {
	var a, b faucet
	s := Subscribe(t.Context(), map[string]Source{
		"a": a.source, "b": b.source,
		"broken": func(context.Context, *await.Counts) (<-chan struct{}, error) { return nil, errors.New("EPERM") },
	})
	need := func(want bool, names ...string) {
		t.Helper()
		if fresh, err := s.Need(names); err != nil || fresh != want {
			t.Errorf("need %q: %v, %v", names, fresh, err)
		}
	}
	need(true, "a")
	need(false, "a")
	a.ch <- struct{}{}
	comes(t, s.Events())
	need(true, "a", "b")
	b.ch <- struct{}{}
	comes(t, s.Events())
	need(false, "a")
	<-b.ended // nobody needs it any more
	if n := s.Counts(); n["a"].Events != 1 || n["b"].Events != 1 {
		t.Errorf("counted %v", n)
	}
	for name, says := range map[string]string{"broken": "EPERM", "no such": `"no such"`} {
		if _, err := s.Need([]string{"a", name}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	close(a.ch) // it ends by itself
	select {
	case _, open := <-s.Events():
		if open {
			t.Error("a source that ended is an event")
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody is told that a source has ended")
	}
}

func TestSubscriptionsEndWithTheirContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s := Subscribe(ctx, Sources(journal.Dir(t.TempDir())))
	if _, err := s.Need([]string{Links, Devices, Devlink, Settings, Addresses, Switch, Journal}); err != nil {
		t.Fatal(err)
	}
	stop()
	limit := time.After(10 * time.Second)
	for open := true; open; {
		select {
		case _, open = <-s.Events():
		case <-limit:
			t.Fatal("still open")
		}
	}
}

func TestTheJournalIsASource(t *testing.T) {
	dir := t.TempDir()
	s := Subscribe(t.Context(), Sources(journal.Dir(dir)))
	if _, err := s.Need([]string{Journal}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "operations", "x.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	comes(t, s.Events())
	if info, err := os.Stat(filepath.Join(dir, "operations")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if s.Counts()[Journal].Events == 0 {
		t.Error("not counted")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Subscribe(t.Context(), Sources(journal.Dir(file))).Need([]string{Journal}); err == nil || !strings.Contains(err.Error(), "journal") {
		t.Errorf("a journal in a file: %v", err)
	}
}

// database is an ovsdb-server that takes a monitor and tells of changes.
func database(t *testing.T, conns chan<- net.Conn, refuse bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			var m struct {
				ID     json.RawMessage `json:"id"`
				Method string          `json:"method"`
			}
			if json.NewDecoder(c).Decode(&m) != nil || m.Method != "monitor" {
				_ = c.Close()
				continue
			}
			answer := `{"id":` + string(m.ID) + `,"error":null,"result":{"Interface":{"i":{"new":{"name":"eth0"}}}}}`
			if refuse {
				answer = `{"id":` + string(m.ID) + `,"error":"unknown column","result":null}`
			}
			_, _ = c.Write([]byte(answer))
			conns <- c
		}
	}()
	return path
}

func TestChangesOfOpenVSwitch(t *testing.T) {
	conns := make(chan net.Conn)
	var n await.Counts
	ch := ovsEventsAt(t.Context(), &n, []string{database(t, conns, false)})
	c := <-conns
	comes(t, ch) // what it was before is not known
	if _, err := c.Write([]byte(`{"id":null,"method":"update","params":[null,{"Interface":{"i":{"old":{"name":"eth0"}}}}]}`)); err != nil {
		t.Fatal(err)
	}
	comes(t, ch)
	if err := c.Close(); err != nil { // it is restarted
		t.Fatal(err)
	}
	comes(t, ch)
	again := <-conns
	comes(t, ch)
	defer again.Close()
	if n.Events.Load() != 3 || n.Lost.Load() != 1 {
		t.Errorf("%d events, lost %d times", n.Events.Load(), n.Lost.Load())
	}
}

// A server that tells of no changes is one at which it is looked now and then.
func TestAnOpenVSwitchThatRefusesToTell(t *testing.T) {
	conns := make(chan net.Conn, 8)
	var n await.Counts
	comes(t, ovsEventsAt(t.Context(), &n, []string{database(t, conns, true)}))
	if n.Lost.Load() == 0 {
		t.Error("not counted")
	}
}

func TestAnOpenVSwitchThatIsNotThereSaysNothing(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var n await.Counts
	ch := ovsEventsAt(ctx, &n, []string{filepath.Join(t.TempDir(), "none")})
	stop()
	if _, open := <-ch; open || n.Lost.Load() != 0 {
		t.Error("an event of nobody")
	}
}
