// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/sysctl"
)

// set puts back one setting of a netdev; one that is so already is not written.
func set(ctx context.Context, s step.Step, index int) error {
	l, err := rtlink.ByIndex(index)
	if err != nil {
		return err
	}
	value := s.To.Str()
	name := strings.TrimPrefix(s.Attribute, kindOf(s.Attribute))
	switch kindOf(s.Attribute) {
	case AttrMAC:
		mac, err := net.ParseMAC(value)
		if err != nil || mac.String() == l.MAC.String() {
			return err
		}
		return rtlink.SetMAC(l, mac)
	case attrAlias:
		if l.Alias == value {
			return nil
		}
		return rtlink.SetAlias(l, value)
	case attrAltname:
		// udev gives some by itself; one that another netdev has by now is that one's.
		if err := rtlink.AddAltName(l, name); !errors.Is(err, unix.EEXIST) {
			return err
		}
		return nil
	case attrFeatures:
		return setFeatures(ctx, l, value)
	case attrTxQLen, attrGroup, attrSysctl:
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("%s: setting %s: %w", s.Resource, s.Attribute, err)
		}
		return setNumber(l, kindOf(s.Attribute), name, n)
	}
	return setEthtool(ctx, l, ethtool.Setting(strings.TrimPrefix(s.Attribute, attrEthtool)), value)
}

func setNumber(l rtlink.Link, what, name string, n int) error {
	switch {
	case what == attrTxQLen && l.TxQLen != n:
		return rtlink.SetTxQLen(l, n)
	case what == attrGroup && l.Group != n:
		return rtlink.SetGroup(l, n)
	case what == attrSysctl:
		if is, has := sysctl.Of(l)[name]; has && int(is) == n {
			return nil
		}
		// A kernel without it, or a namespace where IPv6 is off, has nothing to put back.
		if err := sysctl.Write(l.Name, name, int32(n)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// setFeatures makes those features be asked for that were, and those not that were
// not, of those that the driver lets be changed as it is now.
func setFeatures(ctx context.Context, l rtlink.Link, value string) error {
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	f, err := c.Get(l.Index)
	if err != nil {
		return err
	}
	change := map[string]bool{}
	value, others, _ := strings.Cut(value, but)
	off, told := strings.Fields(strings.TrimPrefix(value, "off: ")), strings.Fields(others)
	for _, name := range f.Names() {
		one, _ := f.Get(name)
		wanted := value == allOn || !slices.Contains(off, name)
		if !one.Fixed() && one.Wanted != wanted && !slices.Contains(alsoCryptos, name) && !slices.Contains(told, name) {
			change[name] = wanted
		}
	}
	if len(change) == 0 {
		return nil
	}
	_, err = c.Set(l.Index, change) // what the driver refuses in its present mode stays as it is
	return err
}

// setEthtool sets numbers that differ, as far as the driver has them, each at most
// to what it can be now.
func setEthtool(ctx context.Context, l rtlink.Link, s ethtool.Setting, value string) error {
	want, err := ethtool.ParseNumbers(value)
	if err != nil {
		return fmt.Errorf("%s: %w", l.Name, err)
	}
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	now, most, err := c.Numbers(l.Index, s)
	if err != nil {
		return err
	}
	for name, n := range want {
		if m, ok := most[name]; ok {
			want[name] = min(n, m)
		}
	}
	change := want.Unlike(now)
	if len(change) == 0 {
		return nil
	}
	return c.SetNumbers(l.Index, s, change)
}
