// SPDX-License-Identifier: Apache-2.0

// Package witness dumps all that a host has, as stock tools (ip, bridge, tc,
// devlink, ethtool, ovs-vsctl, ovs-ofctl) and sysfs and /proc/sys show it, and
// compares two dumps. It uses no reader of the product's, for it is what the
// product is judged by.
//
// Left out is what changes by itself or means nothing afterwards: indices,
// handles, counters, times, what the kernel makes by itself (link-local
// addresses, the table local), the state of protocols. The netdev of a function
// has the function's name, as in pci/0000:3b:00.0/vf/3/netdev, so that one that
// the kernel made again under another name is the same.
package witness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
)

// State is a host: the attributes of each resource, by the names that plans have
// for resources. A resource that is there has the attribute "there".
type State map[string]map[string]string

// there is the attribute of whatever exists.
const there = "there"

func (s State) set(resource, attribute, value string) {
	if s[resource] == nil {
		s[resource] = map[string]string{}
	}
	s[resource][attribute] = value
}

// add is set for attributes of which a resource can have more than one alike.
func (s State) add(resource, attribute, value string) {
	key := attribute
	for n := 2; ; n++ {
		if _, ok := s[resource][key]; !ok {
			break
		}
		key = fmt.Sprintf("%s (%d)", attribute, n)
	}
	s.set(resource, key, value)
}

// look is one dump under way. Its parts run concurrently, so State has a lock.
type look struct {
	ctx   context.Context
	names names // of this network namespace

	mu    sync.Mutex
	state State
	errs  []error
}

func (l *look) set(resource, attribute, value string) {
	if resource == "link/"+datapath {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.set(resource, attribute, value)
}

func (l *look) add(resource, attribute, value string) {
	if resource == "link/"+datapath {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.add(resource, attribute, value)
}

func (l *look) failed(err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// atATime is how many tools run at once: most of what they cost is their start.
const atATime = 4

// all does the parts, atATime of them together.
func (l *look) all(parts ...func() error) {
	var wait sync.WaitGroup
	free := make(chan struct{}, atATime)
	for _, part := range parts {
		wait.Add(1)
		free <- struct{}{}
		go func() {
			defer wait.Done()
			l.failed(part())
			<-free
		}()
	}
	wait.Wait()
}

// Dump is the host as it is, or what could not be asked.
func Dump(ctx context.Context) (State, error) {
	l := &look{ctx: ctx, state: State{}}
	links, err := l.links("")
	if err != nil {
		return nil, err
	}
	l.names = l.nameAll("", links)
	l.all(
		func() error { return l.network("", l.names, links) },
		l.namespaces,
		l.cards,
		l.devlinkDevices,
		l.devlinkPorts,
		func() error { return l.virtualFunctions(links) },
		func() error { return l.bridging() },
		l.queueing,
		l.openVSwitch,
		func() error { return l.sysctls(links) },
	)
	l.all(l.ethtool(links)...)
	return l.state, errors.Join(l.errs...)
}

// tool runs a stock tool and gives what it printed.
func (l *look) tool(name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(l.ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}

// read runs a stock tool that prints JSON, or nothing where it has nothing to say.
func (l *look) read(v any, name string, args ...string) error {
	out, err := l.tool(name, args...)
	if err != nil || len(bytes.TrimSpace(out)) == 0 {
		return err
	}
	if err := json.Unmarshal(out, v); err != nil {
		return fmt.Errorf("%s %s printed no JSON: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// text is a value of JSON in the one way that a dump writes it: strings bare, the
// keys of objects sorted.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
