// SPDX-License-Identifier: Apache-2.0

// Package web runs nginx as the server of `nicwright bench https`: with a
// configuration, a key, a certificate and files of its own, as a user without rights,
// in the network namespace of a VF. The host's own nginx and its files are not looked
// at. What is measured of it, and what it means, is for others.
package web

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/cgroup"
	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/internal/site"
)

// Input is what the server is to be.
type Input struct {
	Place     *site.Place
	Group     cgroup.Group
	Listeners []Listener // different ones
	Sizes     []uint64   // of the files
	Workers   int        // of nginx; 0: one for each processor
	Clients   int        // at one time, at most
	Log       bool       // nginx writes an access log, which costs it time
}

// Server is an nginx that runs.
type Server struct {
	Version Version
	CA      []byte // PEM: its certificate, of Name
	dir     string
	uid     uint32
	ports   map[Listener]uint16
	running *program.Running
	stop    context.CancelFunc
}

// Name is what the certificate is for.
const Name = "nicwright-bench"

// firstPort is that of the first listener; the namespace has no others.
const firstPort = 20000

// nobody is the user that nginx runs as.
const nobody = "nobody"

// Start makes what nginx needs in memory (site.Yard), starts it and waits until it
// listens. Its errors say what is missing: nginx itself, an OpenSSL that knows kernel
// TLS, memory for the files, the user nobody.
func Start(ctx context.Context, in Input) (_ *Server, err error) {
	path, err := program.Find("nginx")
	if err != nil {
		return nil, fmt.Errorf("%w; install it (Debian: nginx-light, RHEL: nginx-core): bench runs its own instance and touches no other", err)
	}
	s := &Server{ports: map[Listener]uint16{}}
	uid, gid, err := lookUp(nobody)
	if err != nil {
		return nil, err
	}
	s.uid = uid
	spec := program.Spec{NS: in.Place.NS, Group: in.Group, UID: s.uid, GID: gid}
	spec.Args = []string{path, "-V"}
	said, err := program.Output(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	if s.Version, err = parseVersion(said); err != nil {
		return nil, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	kernel := func(l Listener) bool { return l.Kernel }
	if why := s.Version.NoKernelTLS(); why != "" && slices.ContainsFunc(in.Listeners, kernel) {
		return nil, fmt.Errorf("kernel TLS cannot be measured with %s: %s", path, why)
	}
	if err := s.files(in, gid); err != nil {
		return nil, err
	}
	return s, s.start(ctx, spec, path)
}

func lookUp(name string) (uid, gid uint32, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, fmt.Errorf("looking for the user that the measured nginx is to run as: %w", err)
	}
	var n [2]uint64
	for i, text := range []string{u.Uid, u.Gid} {
		if n[i], err = strconv.ParseUint(text, 10, 32); err != nil || n[i] == 0 {
			return 0, 0, fmt.Errorf("the user %s, as whom the measured nginx is to run, has the number %q: it must not be root's", name, text)
		}
	}
	return uint32(n[0]), uint32(n[1]), nil
}

// Port is where a listener is.
func (s *Server) Port(l Listener) uint16 { return s.ports[l] }

// own is the directory that nginx may write to, below the yard.
func (s *Server) own(name string) string { return filepath.Join(s.dir, "nginx", name) }

// files makes all that nginx reads.
func (s *Server) files(in Input, gid uint32) error {
	room, err := roomFor(in.Sizes)
	if err != nil {
		return err
	}
	if s.dir, err = site.Yard(room); err != nil {
		return err
	}
	fail := func(err error) error { return fmt.Errorf("making the files of the measured nginx: %w", err) }
	for _, d := range []string{"nginx", "www"} {
		if err := os.Mkdir(filepath.Join(s.dir, d), 0o755); err != nil {
			return fail(err)
		}
	}
	if err := os.Chown(s.own(""), int(s.uid), int(gid)); err != nil {
		return fail(err)
	}
	cert, key, err := Certificate()
	if err != nil {
		return err
	}
	s.CA = cert
	for i, l := range in.Listeners {
		s.ports[l] = uint16(firstPort + i)
	}
	conf, err := config(in, s.dir, s.ports)
	if err != nil {
		return fail(err)
	}
	// The key is for this run, and nobody else is to read it.
	for _, f := range []struct {
		name string
		text []byte
		mode os.FileMode
	}{{"nginx.conf", conf, 0o444}, {"cert.pem", cert, 0o444}, {"key.pem", key, 0o400}} {
		path := filepath.Join(s.dir, f.name)
		if err := os.WriteFile(path, f.text, f.mode); err != nil {
			return fail(err)
		}
		if f.mode == 0o400 {
			if err := os.Chown(path, int(s.uid), int(gid)); err != nil {
				return fail(err)
			}
		}
	}
	for _, size := range in.Sizes {
		if err := fill(s.content(size), size); err != nil {
			return fail(err)
		}
	}
	return nil
}

// content is the file of a size.
func (s *Server) content(size uint64) string {
	return filepath.Join(s.dir, "www", strconv.FormatUint(size, 10))
}

// patience is how long nginx may take to listen.
const patience = 30 * time.Second

// start starts nginx and waits until it has written its process number: it listens
// by then.
func (s *Server) start(ctx context.Context, spec program.Spec, path string) error {
	w, err := fsnotify.NewWatcher()
	if err == nil {
		defer w.Close()
		err = w.Add(s.own(""))
	}
	if err != nil {
		return fmt.Errorf("watching for the start of nginx: %w", err)
	}
	ctx, s.stop = context.WithCancel(ctx)
	spec.Args = []string{path, "-e", s.own("error.log"), "-p", s.own(""), "-c", filepath.Join(s.dir, "nginx.conf")}
	if s.running, err = program.Start(ctx, spec); err != nil {
		return err
	}
	wait, end := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%v are over", patience))
	defer end()
	events := make(chan struct{}, 1)
	go func() {
		defer close(events)
		for {
			select {
			case <-wait.Done():
				return
			case <-s.running.Done():
				return
			case _, open := <-w.Events:
				if !open {
					return
				}
				select {
				case events <- struct{}{}:
				default:
				}
			}
		}
	}()
	err = await.Until(wait, "nginx listens", events, func() (bool, error) {
		b, err := os.ReadFile(s.own("pid"))
		return err == nil && len(b) > 0, nil
	})
	if errors.Is(err, await.ErrClosed) && ctx.Err() == nil {
		// It has ended: its log says why.
		log, _ := os.ReadFile(s.own("error.log"))
		err = fmt.Errorf("%w; its log: %q", s.running.Wait(), log)
	}
	if err != nil {
		s.stop()
		return fmt.Errorf("starting %s: %w", path, err)
	}
	return nil
}

// PID is the process of nginx that has the others as its children.
func (s *Server) PID() int { return s.running.PID }

// Done is closed when nginx has ended, by itself as well.
func (s *Server) Done() <-chan struct{} { return s.running.Done() }

// Stop ends nginx, and waits until it has.
func (s *Server) Stop() {
	s.stop()
	<-s.running.Done()
}

// AccessLog is nginx's. Requests are in there once nginx is done with them: all of them
// after Stop.
func (s *Server) AccessLog() ([]byte, error) {
	b, err := os.ReadFile(s.own("access.log"))
	if err != nil {
		return nil, fmt.Errorf("reading nginx's access log: %w", err)
	}
	return b, nil
}
