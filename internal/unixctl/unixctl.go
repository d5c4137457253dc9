// SPDX-License-Identifier: Apache-2.0

// Package unixctl asks ovs-vswitchd over its control socket, as ovs-appctl(8)
// does: JSON-RPC 1.0 (ovs-vswitchd(8), "RUNTIME MANAGEMENT COMMANDS").
package unixctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Dirs are where ovs-vswitchd has its pid file and socket; the first that has
// them is used.
var Dirs = []string{"/run/openvswitch", "/var/run/openvswitch"}

// timeout of one call: ovs-vswitchd answers between two rounds of its main loop.
const timeout = 30 * time.Second

// Call runs one command and returns what it printed.
func Call(ctx context.Context, command string, args ...string) (string, error) {
	path, err := socket()
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
func socket() (string, error) {
	var errs []error
	for _, d := range Dirs {
		pid, err := os.ReadFile(filepath.Join(d, "ovs-vswitchd.pid"))
		if err == nil {
			return filepath.Join(d, "ovs-vswitchd."+strings.TrimSpace(string(pid))+".ctl"), nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("is it running? %w", errors.Join(errs...))
}

func call(ctx context.Context, path, command string, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return "", err
		}
	}
	if args == nil {
		args = []string{}
	}
	if err := json.NewEncoder(c).Encode(map[string]any{"id": 0, "method": command, "params": args}); err != nil {
		return "", err
	}
	var answer struct {
		Result *string `json:"result"`
		Error  *string `json:"error"`
	}
	if err := json.NewDecoder(c).Decode(&answer); err != nil {
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
