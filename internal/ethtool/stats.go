// SPDX-License-Identifier: Apache-2.0

// Package ethtool reads a netdev's driver and private statistics over the
// SIOCETHTOOL ioctl, and reads and sets its offload features over generic
// netlink. Everything is looked up in the network namespace of the calling
// thread.
package ethtool

import (
	"fmt"

	safchain "github.com/safchain/ethtool"
)

// Driver is what ETHTOOL_GDRVINFO says of a netdev.
type Driver struct {
	Name     string `json:"name"`               // kernel module, "mlx5_core"
	Firmware string `json:"firmware,omitempty"` // version, with the PSID in mlx5
	Bus      string `json:"bus,omitempty"`      // "0000:3b:00.0"
}

// DriverInfo reads the driver of a netdev.
func DriverInfo(netdev string) (Driver, error) {
	var info safchain.DrvInfo
	err := guarded(func(e *safchain.Ethtool) (err error) { info, err = e.DriverInfo(netdev); return err })
	if err != nil {
		return Driver{}, fmt.Errorf("reading the driver of %s (ETHTOOL_GDRVINFO): %w", netdev, err)
	}
	return Driver{Name: info.Driver, Firmware: info.FwVersion, Bus: info.BusInfo}, nil
}

// Statistics reads the private statistics of a netdev, what `ethtool -S` prints.
// Names and units are the driver's.
func Statistics(netdev string) (map[string]uint64, error) {
	var stats map[string]uint64
	err := guarded(func(e *safchain.Ethtool) (err error) { stats, err = e.Stats(netdev); return err })
	if err != nil {
		return nil, fmt.Errorf("reading the statistics of %s (ETHTOOL_GSTATS): %w", netdev, err)
	}
	return stats, nil
}

// guarded runs f with an ethtool descriptor of the calling thread's network
// namespace, on a stack that cannot move meanwhile.
//
// safchain/ethtool v0.7.0 keeps the address of a variable on its stack as a
// uintptr across calls of its own, so a stack that moves in between leaves the
// kernel writing to where the variable was. A stack moves when it grows, and
// when the collector finds less than a quarter of it in use and halves it. So f
// runs on a new goroutine whose stack was grown beyond what f can need, below a
// frame that holds more than a quarter of it. Unlike switching the collector
// off, this also holds against runtime.GC and a memory limit, and touches no
// setting of the process.
func guarded(f func(*safchain.Ethtool) error) error {
	e, err := safchain.NewEthtool() // on the caller's thread, for its network namespace
	if err != nil {
		return fmt.Errorf("opening a socket for ethtool: %w", err)
	}
	defer e.Close()
	done := make(chan error, 1)
	go func() {
		grow()
		done <- ballast(func() error { return f(e) })
	}()
	return <-done
}

const (
	grownFrame   = 96 << 10 // grows the stack to 128 or 256 KiB
	ballastFrame = 72 << 10 // more than a quarter of either, and leaves f tens of KiB
)

//go:noinline
func grow() byte {
	var frame [grownFrame]byte
	touch(&frame[len(frame)/2])
	return frame[0]
}

//go:noinline
func ballast(f func() error) error {
	var frame [ballastFrame]byte
	touch(&frame[0])
	err := f()
	touch(&frame[len(frame)-1]) // keeps the frame in use until here
	return err
}

//go:noinline
func touch(b *byte) { *b++ }
