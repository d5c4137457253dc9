// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/provision/journal"
)

// The sources of events.
const (
	Links     = "links"     // netdevs: made, gone, up, carrier, master, features
	Devices   = "devices"   // the kernel's device events: functions and their drivers
	Devlink   = "devlink"   // devlink devices, ports, params
	Settings  = "settings"  // what is set by ethtool's netlink
	Addresses = "addresses" // addresses and routes
	Switch    = "switch"    // the database of Open vSwitch
	Flows     = "flows"     // with the name of a bridge behind it: nicwright's OpenFlow rules there
	Journal   = "journal"   // operations of nicwright
)

// Always are the sources that every profile needs.
func Always() []string { return []string{Links, Devices, Devlink, Settings, Journal} }

// Source gives a channel of events that lasts as long as ctx.
type Source func(ctx context.Context, c *await.Counts) (<-chan struct{}, error)

// Sources are those of this host.
func Sources(dir journal.Dir) map[string]Source {
	return map[string]Source{
		Links: func(ctx context.Context, c *await.Counts) (<-chan struct{}, error) {
			return await.Netlink(ctx, c, "network interfaces", unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
		},
		Addresses: func(ctx context.Context, c *await.Counts) (<-chan struct{}, error) {
			return await.Netlink(ctx, c, "addresses and routes", unix.NETLINK_ROUTE,
				unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
		},
		Devices: func(ctx context.Context, c *await.Counts) (<-chan struct{}, error) {
			return await.Netlink(ctx, c, "device events", unix.NETLINK_KOBJECT_UEVENT, 1)
		},
		Devlink: func(ctx context.Context, c *await.Counts) (<-chan struct{}, error) {
			return ifThere(ctx)(await.Generic(ctx, c, "devlink", "config"))
		},
		Settings: func(ctx context.Context, c *await.Counts) (<-chan struct{}, error) {
			return ifThere(ctx)(await.Generic(ctx, c, "ethtool", "monitor"))
		},
		Switch: ovsEvents,
		Journal: func(ctx context.Context, c *await.Counts) (<-chan struct{}, error) {
			return journalEvents(ctx, c, filepath.Join(string(dir), "operations"))
		},
	}
}

// ifThere is for a part that a kernel is built with or without: without it nothing comes.
func ifThere(ctx context.Context) func(<-chan struct{}, error) (<-chan struct{}, error) {
	return func(ch <-chan struct{}, err error) (<-chan struct{}, error) {
		if !errors.Is(err, fs.ErrNotExist) {
			return ch, err
		}
		silent := make(chan struct{})
		context.AfterFunc(ctx, func() { close(silent) })
		return silent, nil
	}
}

// journalEvents are changes of a directory.
func journalEvents(ctx context.Context, c *await.Counts, dir string) (<-chan struct{}, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil { // as the first operation would
		return nil, fmt.Errorf("making the journal's directory: %w", err)
	}
	n, err := fsnotify.NewWatcher()
	if err == nil {
		if err = n.Add(dir); err != nil {
			err = errors.Join(err, n.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("watching the journal %s: %w", dir, err)
	}
	out := make(chan struct{}, 1)
	go func() {
		defer close(out)
		defer n.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case _, open := <-n.Errors: // the queue ran over: something happened
				if !open {
					return
				}
				c.Lost.Add(1)
			case _, open := <-n.Events:
				if !open {
					return
				}
				c.Events.Add(1)
			}
			pass(out)
		}
	}()
	return out, nil
}

// pass notes an event, if none waits already.
func pass(out chan<- struct{}) {
	select {
	case out <- struct{}{}:
	default:
	}
}

// Subscriptions are the sources that are listened to. A source that ends by itself
// ends the events: nobody is left to believe that nothing happens.
type Subscriptions struct {
	sources map[string]Source
	ctx     context.Context //nolint:containedctx // the life of the subscriptions, which are made as they are needed
	in, out chan struct{}
	deaf    func() // a source has ended

	mu     sync.Mutex
	counts map[string]*await.Counts
	ends   map[string]context.CancelFunc
}

// Subscribe makes them; Need begins to listen.
func Subscribe(ctx context.Context, sources map[string]Source) *Subscriptions {
	ended := make(chan struct{})
	s := &Subscriptions{
		sources: sources, ctx: ctx, in: make(chan struct{}, 1), out: make(chan struct{}, 1), deaf: sync.OnceFunc(func() { close(ended) }),
		counts: map[string]*await.Counts{}, ends: map[string]context.CancelFunc{},
	}
	go func() {
		defer close(s.out)
		for {
			select {
			case <-s.ctx.Done():
				return
			case <-ended:
				return
			case <-s.in:
				pass(s.out)
			}
		}
	}()
	return s
}

// Events are those of all sources: one that waits stands for any number.
func (s *Subscriptions) Events() <-chan struct{} { return s.out }

// Need listens to these sources and no others, and tells whether there is one to which
// it did not before.
func (s *Subscriptions) Need(names []string) (fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
		if s.ends[name] != nil {
			continue
		}
		source := s.sources[name]
		if bridge, ok := strings.CutPrefix(name, Flows+" "); ok {
			source = flowEvents(bridge)
		}
		if source == nil {
			return fresh, fmt.Errorf("there is no source of events %q", name)
		}
		if s.counts[name] == nil {
			s.counts[name] = &await.Counts{}
		}
		ctx, end := context.WithCancel(s.ctx)
		ch, err := source(ctx, s.counts[name])
		if err != nil {
			end()
			return fresh, err
		}
		s.ends[name] = end
		fresh = true
		go s.follow(ctx, ch)
	}
	for name, end := range s.ends {
		if !wanted[name] {
			end()
			delete(s.ends, name)
		}
	}
	return fresh, nil
}

func (s *Subscriptions) follow(ctx context.Context, ch <-chan struct{}) {
	for range ch {
		pass(s.in)
	}
	if ctx.Err() == nil {
		s.deaf()
	}
}

// Count is what came of one source: events, and how often some were lost.
type Count struct{ Events, Lost uint64 }

// Counts are those of all sources that were ever listened to.
func (s *Subscriptions) Counts() map[string]Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Count{}
	for name, c := range s.counts {
		all[name] = Count{c.Events.Load(), c.Lost.Load()}
	}
	return all
}
