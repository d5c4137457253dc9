// SPDX-License-Identifier: Apache-2.0

package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
)

var at = time.Date(2026, 11, 28, 12, 0, 0, 123, time.UTC)

func source(name, text string, err error) Source {
	return Source{name, func(context.Context) ([]File, error) {
		if text == "" {
			return nil, err
		}
		return []File{{Name: name, Text: []byte(text)}}, err
	}}
}

func bundle(t *testing.T, addresses bool) *Bundle {
	t.Helper()
	return Gather(t.Context(), "v1.2.3", at, []Source{
		source("status.json", `{"via": "192.0.2.1"}`, nil),
		source("journal", "", errors.New("reading 192.0.2.1's journal: permission denied\nrun it as root")),
		source("kernel.log", "mlx5_core b8:59:9f:00:00:01\n", errors.New("cut short")),
		source("report", "", ErrNothing),
		source("other.txt", "b8599f000001 192.0.2.1\n", nil),
	}, &Redactor{Addresses: addresses})
}

func TestTheListIsTheGoldenOne(t *testing.T) {
	for name, addresses := range map[string]bool{"list": false, "list-addresses": true} {
		b := bundle(t, addresses)
		var out bytes.Buffer
		if err := b.List(&out); err != nil {
			t.Fatal(err)
		}
		for _, f := range b.Files {
			out.WriteString("==> " + f.Name + "\n" + string(f.Text))
		}
		golden.Text(t, filepath.Join("testdata", name+".txt"), out.String())
	}
}

func TestAnArchiveOfTheSameIsTheSame(t *testing.T) {
	one, err := bundle(t, false).Archive()
	if err != nil {
		t.Fatal(err)
	}
	two, err := bundle(t, false).Archive()
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("two archives of the same differ: %v", err)
	}
	z, err := gzip.NewReader(bytes.NewReader(one))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Mode != 0o600 || !h.ModTime.Equal(at.Truncate(time.Second)) || h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s: %+v", h.Name, h)
		}
	}
	want := []string{"nicwright-support/README.txt", "nicwright-support/status.json", "nicwright-support/kernel.log", "nicwright-support/other.txt"}
	if d := cmp.Diff(want, names); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestAFileThatIsTooLongIsCut(t *testing.T) {
	b := Gather(t.Context(), "v1", at, []Source{source("long", strings.Repeat("x", maxFile+1), nil)}, &Redactor{})
	if f := b.Files[1]; f.Size > maxFile+100 || !strings.HasSuffix(string(f.Text), "cut off here\n") {
		t.Errorf("%d bytes, ending in %q", f.Size, f.Text[len(f.Text)-20:])
	}
}

func TestWhatIsNotAskedForAnyMoreIsMissing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("--timeout is over"))
	b := Gather(ctx, "v1", at, []Source{source("one", "x", nil)}, &Redactor{})
	if d := cmp.Diff([]Missing{{"one", "--timeout is over"}}, b.Missing); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// fakeDevlink has one card of two that answers.
type fakeDevlink struct{ health error }

func (fakeDevlink) Info(_ context.Context, d devlink.Device) (devlink.Info, error) {
	if d.Name == "0000:3b:00.1" {
		return devlink.Info{}, unix.EBUSY
	}
	return devlink.Info{Driver: "mlx5_core", Serial: "MT1", Running: map[string]string{"fw.version": "22.31.1014"}}, nil
}

func (f fakeDevlink) Reporters(context.Context) ([]devlink.Reporter, error) {
	return []devlink.Reporter{{Device: devlink.Device{Bus: "pci", Name: "0000:3b:00.0"}, Name: "fw", Healthy: true, Errors: 2, Recoveries: 2}}, f.health
}

func TestDevlink(t *testing.T) {
	pfs := []pci.Address{"0000:3b:00.0", "0000:3b:00.1"}
	files, err := devlinkFiles(t.Context(), fakeDevlink{}, pfs)
	if !errors.Is(err, unix.EBUSY) {
		t.Errorf("the function that did not answer is not named: %v", err)
	}
	var out strings.Builder
	for _, f := range files {
		out.WriteString("==> " + f.Name + "\n" + string(f.Text))
	}
	golden.Text(t, filepath.Join("testdata", "devlink.txt"), out.String())
	files, err = devlinkFiles(t.Context(), fakeDevlink{unix.EPERM}, pfs[:1])
	if !errors.Is(err, unix.EPERM) || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}
