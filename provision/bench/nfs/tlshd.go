// SPDX-License-Identifier: Apache-2.0

package nfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/internal/site"
)

// credentials are what tlshd needs, in PEM; those of a client have no key.
type credentials struct {
	CA  []byte `json:"ca"`
	Key []byte `json:"key,omitempty"`
}

// tlshdConfig is tlshd.conf(5).
func tlshdConfig(dir string, server bool) string {
	text := "[debug]\nloglevel=0\ntls=0\nnl=0\n[authenticate]\n[authenticate.client]\nx509.truststore=" + dir + "/ca.pem\n"
	if server {
		text += "[authenticate.server]\nx509.truststore=" + dir + "/ca.pem\nx509.certificate=" + dir + "/ca.pem\nx509.private_key=" + dir + "/key.pem\n"
	}
	return text
}

// startTLSHD starts tlshd in the namespaces of this process, with files in dir, which
// nobody else sees; it ends with ctx. The kernel's questions for a handshake go to the
// tlshd of the namespace of the socket, and not to the host's own.
func startTLSHD(ctx context.Context, path, dir string, c credentials) (*program.Running, error) {
	for name, text := range map[string][]byte{"ca.pem": c.CA, "key.pem": c.Key, "tlshd.conf": []byte(tlshdConfig(dir, c.Key != nil))} {
		if text == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("making the files of tlshd: %w", err)
		}
	}
	r, err := program.Start(ctx, program.Spec{Args: []string{path, "-s", "-c", filepath.Join(dir, "tlshd.conf")}})
	if err != nil {
		return nil, err
	}
	return r, listens(ctx, r)
}

// How often it is looked whether tlshd listens, and how long: there is no event. One
// that cannot be seen listening may listen: mounting tells.
const (
	glance = 50 * time.Millisecond
	stare  = 60 // glances
)

// listens waits until tlshd has joined a group of generic netlink, on which the kernel asks.
func listens(ctx context.Context, r *program.Running) error {
	for range stare {
		b, err := os.ReadFile("/proc/thread-self/net/netlink")
		if err != nil {
			return fmt.Errorf("looking whether tlshd listens: %w", err)
		}
		if inGroup(string(b), r.PID) {
			return nil
		}
		select {
		case <-r.Done():
			return fmt.Errorf("tlshd has ended: %w", r.Wait())
		default:
		}
		if err := site.Settle(ctx, glance); err != nil {
			return err
		}
	}
	return nil
}

// inGroup tells whether a process has a socket of generic netlink in a group, by
// /proc/net/netlink. A process's second socket and those after have its number with
// upper bits set (libnl).
func inGroup(text string, pid int) bool {
	const generic, pidBits = "16", 1<<22 - 1
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || f[1] != generic {
			continue
		}
		n, err := strconv.ParseUint(f[2], 10, 32)
		groups, groupsErr := strconv.ParseUint(f[3], 16, 32)
		if err == nil && groupsErr == nil && int(n&pidBits) == pid && groups != 0 {
			return true
		}
	}
	return false
}
