// SPDX-License-Identifier: Apache-2.0

// Package unixctl asks ovs-vswitchd over its control socket, as ovs-appctl(8)
// does: JSON-RPC 1.0 (ovs-vswitchd(8), "RUNTIME MANAGEMENT COMMANDS").
package unixctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// dirs are where ovs-vswitchd has its pid file and socket; the first that has
// them is used.
func dirs() []string { return []string{"/run/openvswitch", "/var/run/openvswitch"} }

// timeout of one call whose context sets no earlier end: ovs-vswitchd answers
// between two rounds of its main loop.
const timeout = 30 * time.Second

// look is what to look at when it does not answer.
const look = "systemctl status openvswitch-switch, /var/log/openvswitch/ovs-vswitchd.log; restart it with systemctl restart openvswitch-switch"

// Call runs one command and returns what it printed.
func Call(ctx context.Context, command string, args ...string) (string, error) {
	return callAt(ctx, dirs(), command, args...)
}

func callAt(ctx context.Context, dirs []string, command string, args ...string) (string, error) {
	path, err := socket(dirs)
	if err != nil {
		return "", fmt.Errorf("asking ovs-vswitchd for %s: %w", command, err)
	}
	out, err := call(ctx, path, command, args)
	if err != nil {
		return "", fmt.Errorf("asking ovs-vswitchd for %s at %s: %w", strings.Join(append([]string{command}, args...), " "), path, err)
	}
	return out, nil
}

// socket is named after the process: ovs-vswitchd.PID.ctl.
func socket(dirs []string) (string, error) {
	var errs []error
	for _, d := range dirs {
		pid, err := os.ReadFile(filepath.Join(d, "ovs-vswitchd.pid"))
		if err == nil {
			return filepath.Join(d, "ovs-vswitchd."+strings.TrimSpace(string(pid))+".ctl"), nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("is it running? %w (%s)", errors.Join(errs...), look)
}

func call(ctx context.Context, path, command string, args []string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%v are over", timeout))
	defer cancel()
	out, err := exchange(ctx, path, command, args)
	if err != nil && ctx.Err() != nil {
		return "", fmt.Errorf("it does not answer: %w (%s)", context.Cause(ctx), look)
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("nobody listens: %w (%s)", err, look)
	}
	return out, err
}

// maxAnswer is more bytes than ovs-vswitchd has said of a thousand ports.
const maxAnswer = 64 << 20

func exchange(ctx context.Context, path, command string, args []string) (string, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return "", err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	if args == nil {
		args = []string{}
	}
	if err := json.NewEncoder(c).Encode(map[string]any{"id": 0, "method": command, "params": args}); err != nil {
		return "", err
	}
	return parseAnswer(io.LimitReader(c, maxAnswer))
}

func parseAnswer(r io.Reader) (string, error) {
	var answer struct {
		Result *string `json:"result"`
		Error  *string `json:"error"`
	}
	if err := json.NewDecoder(r).Decode(&answer); err != nil {
		return "", err
	}
	switch {
	case answer.Error != nil:
		return "", errors.New(strings.TrimSpace(*answer.Error))
	case answer.Result == nil:
		return "", errors.New("it answered neither a result nor an error")
	}
	return *answer.Result, nil
}
