// SPDX-License-Identifier: Apache-2.0

// Package knfsd has the kernel's NFS server serve one directory to one address in the
// network namespace of the calling process, by the kernel's own interface (the file
// system nfsd, and the caches of /proc/net/rpc that rpc.mountd else fills): no program,
// no file of nfs-utils, and nothing of a server in another namespace is touched. It
// speaks NFS 4 alone, and registers with no rpcbind if the caller hides the host's.
package knfsd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/netns"
)

// Dir is where the kernel wants its file system nfsd mounted.
const Dir = "/proc/fs/nfsd"

// Port is that of NFS.
const Port = 2049

// Config is what is served.
type Config struct {
	Address netip.Addr // IPv4, of the server
	Client  netip.Addr // who may mount
	Path    string     // of a file system that can be exported; the client mounts it as /
	Threads int        // 1 or more
	TLS     bool       // RPC-with-TLS as well as without (Linux 6.4 and later)
}

// ErrNone is that the kernel has no NFS server.
var ErrNone = errors.New("this kernel has no NFS server (CONFIG_NFSD_V4), or its module nfsd is not installed")

// Of include/uapi/linux/nfsd/export.h.
const (
	insecurePort   = 0x0002
	noSubtreeCheck = 0x0400
	withFSID       = 0x2000
	flags          = insecurePort | noSubtreeCheck | withFSID
	nobody         = 65534
	typeNumber     = 1 // FSID_NUM: the file system is known by a number, which is 0
)

// Modes of xprtsec (NFSEXP_XPRTSEC_*), by their numbers on a line of the cache.
const xprtsecNoneTLS = " xprtsec 2 1 2"

// client is what the caches call the client.
const client = "nicwright"

// lifetime is how long what is in the caches holds: longer than any run.
const lifetime = 24 * time.Hour

// Serve begins to serve, and gives the kernel's threads that do. The caller is in a
// mount namespace of its own, in which Dir gets mounted. What it did goes by Stop.
// errors.Is(err, [ErrNone]).
func Serve(ctx context.Context, c Config) (threads []int, err error) {
	if err := mount(); err != nil {
		return nil, err
	}
	before, err := kernelThreads("/proc")
	if err != nil {
		return nil, err
	}
	// Nobody reclaims state from a server that did not run before: there is no use in a grace period.
	for _, w := range []struct{ file, text string }{
		{Dir + "/versions", "-3 +4 +4.1 +4.2"}, {Dir + "/nfsv4leasetime", "10"}, {Dir + "/nfsv4gracetime", "10"}, // the least
	} {
		if err := put(w.file, w.text+"\n"); err != nil {
			return nil, fmt.Errorf("setting up the kernel's NFS server: %w", err)
		}
	}
	for _, line := range cacheLines(c, time.Now().Add(lifetime)) {
		if err := put("/proc/thread-self/net/rpc/"+line[0]+"/channel", line[1]); err != nil {
			return nil, fmt.Errorf("telling the kernel's NFS server what it exports (%s): %w", line[0], err)
		}
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // Go's listeners are of MPTCP, which the server does not take
	l, err := lc.Listen(ctx, "tcp4", netip.AddrPortFrom(c.Address, Port).String())
	if err != nil {
		return nil, fmt.Errorf("listening for NFS: %w", err)
	}
	defer l.Close() // the kernel has it then
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, fmt.Errorf("listening for NFS: %w", err)
	}
	defer f.Close()
	for _, w := range []struct{ file, text string }{
		{Dir + "/portlist", strconv.Itoa(int(f.Fd()))}, {Dir + "/threads", strconv.Itoa(c.Threads)},
	} {
		if err := put(w.file, w.text+"\n"); err != nil {
			return nil, fmt.Errorf("starting the kernel's NFS server: %w", err)
		}
	}
	// EBUSY: it keeps no account of its clients (no nfsdcld), and cannot be told. Its grace period goes by; until then a
	// client waits for its first file.
	if err := put(Dir+"/v4_end_grace", "Y\n"); err != nil && !errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("ending the grace period of the kernel's NFS server: %w", err)
	}
	after, err := kernelThreads("/proc")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(after, func(pid int) bool { return slices.Contains(before, pid) }), nil
}

// cacheLines are what rpc.mountd would answer the kernel: whose the address is, which
// file system has the number 0, and what is exported of it. Each for a cache.
func cacheLines(c Config, until time.Time) [][2]string {
	expiry := until.Unix()
	export := fmt.Sprintf("%s %s %d %d %d %d 0", client, quote(c.Path), expiry, flags, nobody, nobody)
	if c.TLS {
		export += xprtsecNoneTLS
	}
	return [][2]string{
		{"auth.unix.ip", fmt.Sprintf("nfsd %s %d %s\n", c.Client, expiry, client)},
		{"nfsd.export", export + "\n"},
		{"nfsd.fh", fmt.Sprintf("%s %d \\x00000000 %d %s\n", client, typeNumber, expiry, quote(c.Path))},
	}
}

// quote writes a word as the caches want it: blanks and backslashes in octal.
func quote(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c == '\\' || c >= 0x7f {
			fmt.Fprintf(&b, "\\%03o", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func mount() error {
	err := unix.Mount("nfsd", Dir, "nfsd", 0, "")
	if errors.Is(err, unix.ENOENT) {
		// The directory is there with the module, which the kernel loads for the type of the file system: once more, elsewhere.
		dir, dirErr := os.MkdirTemp("", "nicwright-nfsd")
		if dirErr == nil {
			if unix.Mount("nfsd", dir, "nfsd", 0, "") == nil {
				_ = unix.Unmount(dir, unix.MNT_DETACH)
			}
			_ = os.Remove(dir)
			err = unix.Mount("nfsd", Dir, "nfsd", 0, "")
		}
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return ErrNone
	}
	if err != nil {
		return fmt.Errorf("mounting the file system of the kernel's NFS server (nfsd) on %s: %w", Dir, err)
	}
	return nil
}

// Stop ends the server of a network namespace; that there is none is no error. A
// namespace with a server does not go, whoever has started it.
func Stop(ns *netns.NS) error {
	// Without the module there is no server, and it is not loaded to find that out. Dir is there without it.
	if _, err := os.Stat("/sys/module/nfsd"); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return ns.Do(func() error {
		// Of this thread alone, which ends with this function: what is mounted is nobody else's.
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("ending the kernel's NFS server in %s: a mount namespace (unshare): %w", ns.Name(), err)
		}
		err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		if err == nil {
			err = mount()
		}
		if err == nil {
			err = stop(Dir)
		}
		if err != nil {
			return fmt.Errorf("ending the kernel's NFS server in %s: %w", ns.Name(), err)
		}
		return nil
	})
}

// stop ends the server of a mounted nfsd. Where none is, the kernel must not be asked
// for 0 threads: it would begin one first, with lockd and all.
func stop(dir string) error {
	threads, err := os.ReadFile(filepath.Join(dir, "threads"))
	if err != nil {
		return err
	}
	ports, err := os.ReadFile(filepath.Join(dir, "portlist"))
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(threads)) == "0" && len(ports) == 0 {
		return nil
	}
	return put(filepath.Join(dir, "threads"), "0\n")
}

func put(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// kernelThreads are those named nfsd, of whatever namespace; proc is where the
// processes are.
func kernelThreads(proc string) (pids []int, err error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, fmt.Errorf("looking for the threads of the kernel's NFS server: %w", err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// One that has gone meanwhile is none. A kernel's thread has no command line.
		comm, err := os.ReadFile(filepath.Join(proc, e.Name(), "comm"))
		line, lineErr := os.ReadFile(filepath.Join(proc, e.Name(), "cmdline"))
		if err == nil && lineErr == nil && len(line) == 0 && string(comm) == "nfsd\n" {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Used is the seconds that threads of Serve have been running (/proc/PID/schedstat).
func Used(threads []int) (seconds float64, err error) {
	for _, pid := range threads {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("reading what the kernel's NFS server has used: %w", err)
		}
		n, err := parseSchedstat(string(b))
		if err != nil {
			return 0, err
		}
		seconds += n
	}
	return seconds, nil
}

// parseSchedstat is the first column, nanoseconds, in seconds.
func parseSchedstat(s string) (float64, error) {
	f := strings.Fields(s)
	if len(f) == 0 {
		return 0, errors.New("reading what a thread has used: its schedstat is empty (CONFIG_SCHED_INFO)")
	}
	n, err := strconv.ParseUint(f[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading what a thread has used (schedstat): %w", err)
	}
	return float64(n) / 1e9, nil
}
