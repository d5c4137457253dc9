// SPDX-License-Identifier: Apache-2.0

package nfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/knfsd"
	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/internal/tcpdiag"
	"github.com/nicwright/nicwright/provision/bench/rounds"
)

// The two ends are processes of their own, each in the network namespace of its VF, in a
// mount namespace that nobody else has, and in a cgroup. What they mount goes with them.

const (
	// private is where an end has its files: a file system in memory, in the place of the host's /run, so that the host's
	// rpcbind is not found there either.
	private = "/run"
	export  = private + "/export"
	mounted = private + "/mnt"
	content = "data"
)

// job is what an end is asked for: one of these.
type job struct {
	Serve *serve `json:"serve,omitempty"`
	Join  *join  `json:"join,omitempty"`
	Task  *task  `json:"task,omitempty"`
}

// serve is to be the server.
type serve struct {
	join
	Config knfsd.Config `json:"config"`
	Size   uint64       `json:"size"` // of the file, bytes
}

// join is to have a tlshd, if there is one.
type join struct {
	TLSHD       string      `json:"tlshd,omitempty"`
	Credentials credentials `json:"credentials"`
}

// task is a cell, for the client.
type task struct {
	Source  string `json:"source"`
	Options string `json:"options"`
	Warm    work   `json:"warm"`
	Work    work   `json:"work"`
	// Server and Client are the cpu.stat of the two, Threads the server's in the kernel.
	Server  string `json:"server"`
	Client  string `json:"client"`
	Threads []int  `json:"threads"`
}

// done is the answer.
type done struct {
	Threads []int  `json:"threads,omitempty"`
	Result  result `json:"result"`
	// Used is of Wall seconds: with fio's start, which is no part of Result.
	Used rounds.Used `json:"used"`
	Wall float64     `json:"wall"`
	// Sessions are those of TLS while the work was done; Warmed is what was read or written before, in bytes.
	Sessions []tcpdiag.Session `json:"sessions,omitempty"`
	Warmed   uint64            `json:"warmed"`
	Error    string            `json:"error,omitempty"`
}

// End does what it is asked, until there is no more. It is to have mounts of its own
// (program.Spec.Private): it refuses where it has those of process 1.
func End(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ours, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return fmt.Errorf("looking at the mount namespace: %w", err)
	}
	if host, err := os.Readlink("/proc/1/ns/mnt"); err != nil || host == ours {
		return errors.Join(errors.New("this end of a bench mounts over /run, and has no mount namespace of its own: nicwright starts it itself"), err)
	}
	if err := unix.Mount("nicwright", private, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("mounting a file system in memory: %w", err)
	}
	return program.Work(in, out, func(j job) done {
		d, err := j.do(ctx)
		if err != nil {
			d.Error = err.Error()
		}
		return d
	})
}

func (j job) do(ctx context.Context) (d done, err error) {
	switch {
	case j.Serve != nil:
		d.Threads, err = j.Serve.begin(ctx)
	case j.Join != nil:
		err = j.Join.begin(ctx)
	case j.Task != nil:
		return j.Task.do(ctx)
	default:
		err = errors.New("nothing is asked for")
	}
	return d, err
}

func (j *join) begin(ctx context.Context) error {
	if j.TLSHD == "" {
		return nil
	}
	_, err := startTLSHD(ctx, j.TLSHD, private, j.Credentials)
	return err
}

func (s *serve) begin(ctx context.Context) ([]int, error) {
	if err := os.Mkdir(export, 0o755); err != nil {
		return nil, fmt.Errorf("making what is exported: %w", err)
	}
	if err := unix.Mount("nicwright", export, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, fmt.Sprintf("mode=0755,size=%d", s.Size+16<<20)); err != nil {
		return nil, fmt.Errorf("mounting a file system in memory to export it: %w", err)
	}
	if err := fill(filepath.Join(export, content), s.Size); err != nil {
		return nil, fmt.Errorf("making the file that is measured: %w", err)
	}
	if err := s.join.begin(ctx); err != nil {
		return nil, err
	}
	return knfsd.Serve(ctx, s.Config)
}

// fill makes a file that cannot be compressed, and that anybody may write to.
func fill(path string, size uint64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = f.Chmod(0o666) // root is nobody's root at the other end of NFS
	if err == nil {
		_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), int64(size))
	}
	return errors.Join(err, f.Close())
}

// do mounts, works and unmounts.
func (t *task) do(ctx context.Context) (d done, err error) {
	if err := os.Mkdir(mounted, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return d, fmt.Errorf("making a mount point: %w", err)
	}
	if err := unix.Mount(t.Source, mounted, "nfs4", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_NOATIME, t.Options); err != nil {
		return d, fmt.Errorf("mounting %s (%s): %w%s", t.Source, t.Options, err, mountHint(err))
	}
	defer func() {
		left := unix.Unmount(mounted, 0)
		if left != nil {
			left = errors.Join(fmt.Errorf("unmounting: %w", left), unix.Unmount(mounted, unix.MNT_DETACH|unix.MNT_FORCE))
		}
		err = errors.Join(err, left)
	}()
	warmed, err := read(ctx, t.Warm)
	if err != nil {
		return d, err
	}
	d.Warmed = warmed.Bytes
	m := rounds.NewMeter(t.Server, t.Client)
	before, err := m.Look()
	if err != nil {
		return d, err
	}
	served, err := knfsd.Used(t.Threads)
	if err != nil {
		return d, err
	}
	start := time.Now()
	if t.Work.Program != "" {
		d.Result, err = fio(ctx, t.Work)
	} else {
		d.Result, err = read(ctx, t.Work)
	}
	d.Wall = time.Since(start).Seconds()
	after, lookErr := m.Look()
	servedAfter, usedErr := knfsd.Used(t.Threads)
	if err := errors.Join(err, lookErr, usedErr); err != nil {
		return d, err
	}
	d.Used = after.Since(before)
	d.Used.Server.Usage += servedAfter - served
	d.Sessions, err = tcpdiag.TLSSessions(ctx)
	return d, err
}

// mountHint is what most likely keeps a mount from being made.
func mountHint(err error) string {
	switch {
	case errors.Is(err, unix.ENODEV):
		return "; this kernel has no NFS client (CONFIG_NFS_V4)"
	case errors.Is(err, unix.EINVAL):
		return "; RPC-with-TLS (xprtsec) is in Linux 6.5 and later"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ETIMEDOUT):
		return "; the kernel's log and tlshd's say more"
	}
	return ""
}

// options are those of a mount, as the kernel takes them (nfs(5)): soft, for nothing is
// to wait for a server that has gone.
func options(server, client netip.Addr, nconnect int, tls bool) string {
	s := fmt.Sprintf("vers=4.2,proto=tcp,addr=%s,clientaddr=%s,rsize=1048576,wsize=1048576,soft,timeo=300,retrans=2,sec=sys,nconnect=%d", server, client, nconnect)
	if tls {
		s += ",xprtsec=tls"
	}
	return s
}
