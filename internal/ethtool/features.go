// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Of include/uapi/linux/ethtool_netlink.h.
const (
	family  = "ethtool"
	version = 1

	msgStrsetGet   = 1
	msgFeaturesGet = 11
	msgFeaturesSet = 12

	headerDevIndex = 1
	headerDevName  = 2
	headerFlags    = 3

	flagCompactBitsets = 1 << 0

	featuresHeader   = 1
	featuresHW       = 2
	featuresWanted   = 3
	featuresActive   = 4
	featuresNoChange = 5

	strsetHeader        = 1
	strsetStringsets    = 2
	stringsetsStringset = 1
	stringsetID         = 1
	stringsetStrings    = 3
	stringsString       = 1
	stringIndex         = 1
	stringValue         = 2
	strsetIDFeatures    = 4 // ETH_SS_FEATURES, include/uapi/linux/ethtool.h

	// answerTime is how long an answer is waited for when ctx has no deadline.
	answerTime = 10 * time.Second
)

// Feature is what the kernel says of one feature of one netdev
// (Documentation/networking/netdev-features.rst).
type Feature struct {
	Hardware bool // in hw_features: the driver lets it be changed
	Wanted   bool // what was asked for, by the driver's default or by somebody
	Active   bool // what is so
	NoChange bool // can never be changed, whatever the device (NETIF_F_NEVER_CHANGE)
}

// Fixed tells whether the feature cannot be changed on this netdev: what
// ethtool(8) prints as [fixed].
func (f Feature) Fixed() bool { return !f.Hardware || f.NoChange }

// Features are all features of one netdev.
type Features struct {
	Index  int    // ifindex
	Netdev string // name

	names                     map[string]uint32
	hw, wanted, active, never bitset
}

// Get gives a feature by the kernel's name of it, "tls-hw-tx-offload"; false
// when the kernel has no feature of that name.
func (f Features) Get(name string) (Feature, bool) {
	i, ok := f.names[name]
	if !ok {
		return Feature{}, false
	}
	return Feature{Hardware: f.hw.has(i), Wanted: f.wanted.has(i), Active: f.active.has(i), NoChange: f.never.has(i)}, true
}

// Names gives the names of all features the kernel has, sorted.
func (f Features) Names() []string { return slices.Sorted(maps.Keys(f.names)) }

// Client asks the kernel about features, in the network namespace it was opened
// in. It is not for concurrent use.
type Client struct {
	c     *genetlink.Conn
	fam   genetlink.Family
	names map[string]uint32
}

// Dial opens a Client in the network namespace of the calling thread. Its
// requests end with ctx's deadline. ETHTOOL_MSG_FEATURES_GET is in Linux 5.7
// and later.
func Dial(ctx context.Context) (*Client, error) {
	c, err := genetlink.Dial(&netlink.Config{Strict: false})
	if err != nil {
		return nil, fmt.Errorf("opening a generic netlink socket: %w", err)
	}
	return newClient(ctx, c)
}

func newClient(ctx context.Context, c *genetlink.Conn) (*Client, error) {
	cl := &Client{c: c}
	err := cl.open(ctx)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return cl, nil
}

func (cl *Client) open(ctx context.Context) error {
	// Without it the kernel answers with an errno only. A kernel without it is older than the family.
	if err := cl.c.SetOption(netlink.ExtendedAcknowledge, true); err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
		return fmt.Errorf("asking for extended acks: %w", err)
	}
	if err := cl.Until(ctx); err != nil {
		return err
	}
	fam, err := cl.c.GetFamily(family)
	if err != nil {
		return fmt.Errorf("looking for the generic netlink family %q (Linux 5.6 and later, CONFIG_ETHTOOL_NETLINK): %w", family, err)
	}
	cl.fam = fam
	cl.names, err = cl.featureNames()
	return err
}

// Until gives the requests from now on ctx's deadline, or 10 s where it has none:
// for a Client that is kept.
func (cl *Client) Until(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(answerTime)
	}
	if err := cl.c.SetDeadline(deadline); err != nil {
		return fmt.Errorf("setting the deadline of a netlink socket: %w", err)
	}
	return nil
}

// Close closes the socket.
func (cl *Client) Close() error { return cl.c.Close() }

// featureNames reads the kernel's table of feature names, which is the same for
// all netdevs.
func (cl *Client) featureNames() (map[string]uint32, error) {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(strsetHeader, func(*netlink.AttributeEncoder) error { return nil })
	ae.Nested(strsetStringsets, func(nae *netlink.AttributeEncoder) error {
		nae.Nested(stringsetsStringset, func(nae *netlink.AttributeEncoder) error {
			nae.Uint32(stringsetID, strsetIDFeatures)
			return nil
		})
		return nil
	})
	msgs, err := cl.execute(msgStrsetGet, ae, netlink.Request)
	if err != nil {
		return nil, fmt.Errorf("reading the names of the features (ETHTOOL_MSG_STRSET_GET): %w", err)
	}
	names := map[string]uint32{}
	for _, m := range msgs {
		if err := parseStrings(m.Data, names); err != nil {
			return nil, fmt.Errorf("reading the names of the features: %w", err)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("reading the names of the features (ETHTOOL_MSG_STRSET_GET): the kernel sent none")
	}
	return names, nil
}

func parseStrings(data []byte, names map[string]uint32) error {
	nested := func(kind uint16, f func(*netlink.AttributeDecoder) error) func(*netlink.AttributeDecoder) error {
		return func(ad *netlink.AttributeDecoder) error {
			for ad.Next() {
				if ad.Type() == kind {
					ad.Nested(f)
				}
			}
			return nil
		}
	}
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return err
	}
	entry := func(ad *netlink.AttributeDecoder) error {
		index, name := uint32(0), ""
		for ad.Next() {
			switch ad.Type() {
			case stringIndex:
				index = ad.Uint32()
			case stringValue:
				name = ad.String()
			}
		}
		if name != "" {
			names[name] = index
		}
		return nil
	}
	walk := nested(strsetStringsets, nested(stringsetsStringset, nested(stringsetStrings, nested(stringsString, entry))))
	if err := walk(ad); err != nil {
		return err
	}
	return ad.Err()
}

// All reads the features of all netdevs with one request.
func (cl *Client) All() ([]Features, error) {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(featuresHeader, func(nae *netlink.AttributeEncoder) error {
		nae.Uint32(headerFlags, flagCompactBitsets)
		return nil
	})
	msgs, err := cl.execute(msgFeaturesGet, ae, netlink.Request|netlink.Dump)
	if err != nil {
		return nil, fmt.Errorf("reading the features of all netdevs (ETHTOOL_MSG_FEATURES_GET): %w", err)
	}
	all := make([]Features, 0, len(msgs))
	for _, m := range msgs {
		f, err := cl.parseFeatures(m.Data)
		if err != nil {
			return nil, fmt.Errorf("reading the features of all netdevs: %w", err)
		}
		all = append(all, f)
	}
	return all, nil
}

// Get reads the features of one netdev by its ifindex.
func (cl *Client) Get(index int) (Features, error) {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(featuresHeader, func(nae *netlink.AttributeEncoder) error {
		nae.Uint32(headerDevIndex, uint32(index))
		nae.Uint32(headerFlags, flagCompactBitsets)
		return nil
	})
	msgs, err := cl.execute(msgFeaturesGet, ae, netlink.Request)
	if err != nil {
		return Features{}, fmt.Errorf("reading the features of the netdev with index %d (ETHTOOL_MSG_FEATURES_GET): %w", index, err)
	}
	if len(msgs) == 0 {
		return Features{}, fmt.Errorf("reading the features of the netdev with index %d (ETHTOOL_MSG_FEATURES_GET): the kernel sent nothing", index)
	}
	return cl.parseFeatures(msgs[0].Data)
}

func (cl *Client) parseFeatures(data []byte) (Features, error) {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return Features{}, err
	}
	f := Features{names: cl.names}
	for ad.Next() {
		var set *bitset
		switch ad.Type() {
		case featuresHeader:
			ad.Nested(func(nad *netlink.AttributeDecoder) error {
				for nad.Next() {
					switch nad.Type() {
					case headerDevIndex:
						f.Index = int(nad.Uint32())
					case headerDevName:
						f.Netdev = nad.String()
					}
				}
				return nil
			})
		case featuresHW:
			set = &f.hw
		case featuresWanted:
			set = &f.wanted
		case featuresActive:
			set = &f.active
		case featuresNoChange:
			set = &f.never
		}
		if set != nil {
			if *set, err = parseBitset(ad.Bytes()); err != nil {
				return Features{}, err
			}
		}
	}
	return f, ad.Err()
}

// Change is what a Set did: the features whose active state became another, and
// those that are not as they were asked to be, each with what it is now.
type Change struct {
	Changed map[string]bool
	Refused map[string]bool
}

// Set asks for features of a netdev to be on or off, all in one request. That a
// driver does not let a feature be changed is no error to the kernel: look at
// Change.Refused. CAP_NET_ADMIN.
func (cl *Client) Set(index int, want map[string]bool) (Change, error) {
	what := describe(want)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := cl.names[name]; !ok {
			return Change{}, fmt.Errorf("setting %s of the netdev with index %d: this kernel has no feature %q", what, index, name)
		}
	}
	ae := netlink.NewAttributeEncoder()
	ae.Nested(featuresHeader, func(nae *netlink.AttributeEncoder) error {
		nae.Uint32(headerDevIndex, uint32(index))
		nae.Uint32(headerFlags, flagCompactBitsets)
		return nil
	})
	ae.Nested(featuresWanted, func(nae *netlink.AttributeEncoder) error {
		nae.Nested(bitsetBits, func(nae *netlink.AttributeEncoder) error {
			for _, name := range slices.Sorted(maps.Keys(want)) {
				nae.Nested(bitsetBitsBit, func(nae *netlink.AttributeEncoder) error {
					nae.String(bitName, name)
					nae.Flag(bitValue, want[name])
					return nil
				})
			}
			return nil
		})
		return nil
	})
	msgs, err := cl.execute(msgFeaturesSet, ae, netlink.Request)
	if err != nil {
		return Change{}, fmt.Errorf("setting %s of the netdev with index %d (ETHTOOL_MSG_FEATURES_SET): %w", what, index, err)
	}
	change := Change{Changed: map[string]bool{}, Refused: map[string]bool{}}
	for _, m := range msgs {
		// In a reply WANTED masks what is not as asked, and ACTIVE what changed (Documentation/networking/ethtool-netlink.rst).
		f, err := cl.parseFeatures(m.Data)
		if err != nil {
			return Change{}, fmt.Errorf("reading what became of %s: %w", what, err)
		}
		for name, i := range cl.names {
			if f.active.masked(i) {
				change.Changed[name] = f.active.has(i)
			}
			if asked, ok := want[name]; ok && f.wanted.masked(i) {
				change.Refused[name] = !asked
			}
		}
	}
	return change, nil
}

func describe(want map[string]bool) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		word := "off"
		if want[name] {
			word = "on"
		}
		parts = append(parts, name+" "+word)
	}
	return strings.Join(parts, ", ")
}

// execute sends one request. None asks for an acknowledgement: each has an
// answer or an error anyway, and an acknowledgement after an answer would stay
// unread in the socket.
func (cl *Client) execute(cmd uint8, ae *netlink.AttributeEncoder, flags netlink.HeaderFlags) ([]genetlink.Message, error) {
	data, err := ae.Encode()
	if err != nil {
		return nil, err
	}
	return cl.c.Execute(genetlink.Message{Header: genetlink.Header{Command: cmd, Version: version}, Data: data}, cl.fam.ID, flags)
}
