// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/vlans"
)

// columnConfig is the column of a Port row of which a profile names keys. A key's
// attribute in steps is the column, a blank and the key.
const columnConfig = "other_config"

// limit is a column of an Interface row that is a number, 0 where nothing is set.
type limit struct {
	name  string // the column's, the profile's and the steps'
	field func(*Settings) **int
	card  bool // the card does it, of a police rule on the representor of a VF
}

// limits are after ovs-vswitchd.conf.db(5), Interface, "Ingress Policing".
var limits = []limit{
	{"ingress_policing_rate", func(s *Settings) **int { return &s.IngressPolicingRate }, true},
	{"ingress_policing_burst", func(s *Settings) **int { return &s.IngressPolicingBurst }, false},
	{"ingress_policing_kpkts_rate", func(s *Settings) **int { return &s.IngressPolicingKpktsRate }, false},
	{"ingress_policing_kpkts_burst", func(s *Settings) **int { return &s.IngressPolicingKpktsBurst }, false},
}

func limitOf(attribute string) (limit, bool) {
	i := slices.IndexFunc(limits, func(n limit) bool { return n.name == attribute })
	if i < 0 {
		return limit{}, false
	}
	return limits[i], true
}

// keyOf is the key of other_config that an attribute stands for.
func keyOf(attribute string) (key string, ok bool) {
	key, ok = strings.CutPrefix(attribute, columnConfig+" ")
	return key, ok && key != ""
}

// isSetting tells the attributes that are settings.
func isSetting(attribute string) bool {
	_, key := keyOf(attribute)
	_, isLimit := limitOf(attribute)
	return key || isLimit
}

// settings are what a port is told besides its VLANs, by attribute; a key that is to
// go is absent.
type settings map[string]step.Value

func (s settings) sorted() []string { return slices.Sorted(maps.Keys(s)) }

// settings by attribute.
func (s Settings) settings() settings {
	all := settings{}
	for k, v := range s.OtherConfig {
		if all[columnConfig+" "+k] = step.Text(v); v == "" {
			all[columnConfig+" "+k] = step.Absent()
		}
	}
	for _, n := range limits {
		if v := *n.field(&s); v != nil {
			all[n.name] = step.Text(strconv.Itoa(*v))
		}
	}
	return all
}

// Keys are those of a profile that are set.
func (s Settings) Keys() (keys []string) {
	if s.OtherConfig != nil {
		keys = append(keys, columnConfig)
	}
	for _, n := range limits {
		if *n.field(&s) != nil {
			keys = append(keys, n.name)
		}
	}
	return keys
}

// Told is the port with the settings that a look found, as a profile says them:
// those that are not set are left out.
func (p Port) Told() Port {
	for attribute, v := range p.Rest.settings() {
		if key, ok := keyOf(attribute); ok {
			if p.OtherConfig == nil {
				p.OtherConfig = map[string]string{}
			}
			p.OtherConfig[key] = v.Str()
		}
		if n, ok := limitOf(attribute); ok {
			if v, err := strconv.Atoi(v.Str()); err == nil && v != 0 {
				*n.field(&p.Settings) = &v
			}
		}
	}
	return p
}

// Back is a port of a profile that somebody else's wish was laid over for a while:
// what was touched of it then, and the profile says nothing of, is as it was.
func (p Port) Back(was Port, touched []string) Port {
	if _, says := p.vlan(); !says && slices.Contains(touched, attrVLAN) {
		p.Tag, p.Trunks, p.VLANMode, p.CVLANs = was.Tag, was.Trunks, was.VLANMode, was.CVLANs
		if p.Trunks == nil {
			p.Trunks = vlans.List{}
		}
		if p.Tag != nil && len(p.Trunks) == 0 { // an access port, or a native VLAN and all others
			p.Trunks = nil
		}
	}
	is, had := p.settings(), was.Rest.settings()
	p.OtherConfig = maps.Clone(p.OtherConfig)
	for _, attribute := range touched {
		if _, says := is[attribute]; says {
			continue
		}
		if key, ok := keyOf(attribute); ok {
			if p.OtherConfig == nil {
				p.OtherConfig = map[string]string{}
			}
			p.OtherConfig[key] = had.of(attribute).Str()
		}
		if n, ok := limitOf(attribute); ok {
			if v, err := strconv.Atoi(had.of(attribute).Str()); err == nil {
				*n.field(&p.Settings) = &v
			}
		}
	}
	return p
}

// of is the value of an attribute: of a number that is not set, 0.
func (s settings) of(attribute string) step.Value {
	v, set := s[attribute]
	if _, ok := limitOf(attribute); ok && !set {
		return step.Text("0")
	}
	if !set {
		return step.Absent()
	}
	return v
}

// settings of the rows of a port; those of a bond of Open vSwitch's own have no
// limits, for it has several interfaces.
func (r *Rest) settings() settings {
	s := settings{}
	if r == nil {
		return s
	}
	for k, v := range r.Port.Map(columnConfig) {
		s[columnConfig+" "+k] = step.Text(v)
	}
	if len(r.Interfaces) != 1 || len(r.Of) > 0 {
		return s
	}
	for _, n := range limits {
		if v := r.Interfaces[0].Int(n.name); v != nil {
			s[n.name] = step.Text(strconv.Itoa(*v))
		}
	}
	return s
}

// with is the rows with settings in the place of those that they have.
func (r *Rest) with(told settings) *Rest {
	if len(told) == 0 {
		return r
	}
	var out Rest
	if r != nil {
		out = *r
	}
	config := out.Port.Map(columnConfig)
	if config == nil {
		config = map[string]string{}
	}
	var row ovsdb.Columns
	if len(out.Interfaces) == 1 {
		row = maps.Clone(out.Interfaces[0])
	}
	if row == nil {
		row = ovsdb.Columns{}
	}
	for attribute, v := range told {
		if key, ok := keyOf(attribute); ok {
			if config[key] = v.Str(); v.IsAbsent() {
				delete(config, key)
			}
		}
		if _, ok := limitOf(attribute); ok {
			if row[attribute] = json.RawMessage(v.Str()); v.Str() == "0" {
				delete(row, attribute)
			}
		}
	}
	out.Port = withColumn(out.Port, config)
	if len(out.Of) == 0 {
		if out.Interfaces = nil; len(row) > 0 {
			out.Interfaces = []ovsdb.Columns{row}
		}
	}
	if out.Port == nil && out.Interfaces == nil {
		return nil
	}
	return &out
}

// withColumn is a Port row with that other_config, nil for a row of which nothing is left.
func withColumn(row ovsdb.Columns, config map[string]string) ovsdb.Columns {
	row = maps.Clone(row)
	if delete(row, columnConfig); len(config) > 0 {
		if row == nil {
			row = ovsdb.Columns{}
		}
		row[columnConfig] = ovsdb.Map(config)
	}
	if len(row) == 0 {
		return nil
	}
	return row
}

// checkSettings refuses what the database has no column for.
func (d *differ) checkSettings(bridge string, p Port) error {
	for _, n := range limits {
		v := *n.field(&p.Settings)
		if v == nil || *v == 0 || !slices.Contains(d.have.Lacks, n.name) {
			continue
		}
		return fmt.Errorf("OVS port %s on %s: Open vSwitch %s cannot have %s: its database (schema %s) has no such column: leave the key out of the profile, or upgrade Open vSwitch",
			p.Name, bridge, orUnknown(d.have.Version), n.name, orUnknown(d.have.Schema))
	}
	return nil
}

func orUnknown(s string) string {
	if s == "" {
		return "of an unknown version"
	}
	return s
}

// told are the settings that a port that is there has otherwise than wanted. A
// rollback compares those that its operation touched, and leaves the others to
// whoever set them, but of a port that the operation put there or took away.
func (d *differ) told(r resource.ID, p PortState, w Port) settings {
	want, is := w.settings(), p.Rest.settings()
	if w.Exact {
		want = settings{}
		had := w.Rest.settings()
		for _, s := range []settings{is, had} {
			for attribute := range s {
				if !w.IfThere || d.opt.Touched != nil && d.opt.Touched(r, attribute) {
					want[attribute] = had.of(attribute)
				}
			}
		}
	}
	maps.DeleteFunc(want, func(attribute string, v step.Value) bool { return is.of(attribute) == v })
	return want
}

// tell plans the settings of a port that is there.
func (d *differ) tell(r resource.ID, p PortState, told settings) {
	is := p.Rest.settings()
	for _, attribute := range told.sorted() {
		d.add(r, attribute, is.of(attribute), told[attribute]).Reason = d.policed(p.ID, attribute, told[attribute])
	}
}

// policed says who holds a port to a limit while flows are in the card: mlx5 makes
// the rate of the VF of a policer of its representor that counts bytes, without its
// burst. One that counts packets it takes as well, and gives the VF no limit for it
// (m5/en_tc.c, scan_tc_matchall_fdb_actions, apply_police_params).
func (d *differ) policed(id, attribute string, to step.Value) string {
	n, ok := limitOf(attribute)
	offload := d.have.HWOffload
	if d.want != nil && d.want.HWOffload != nil {
		offload = *d.want.HWOffload
	}
	if !ok || !offload || to.Str() == "0" {
		return ""
	}
	if f, err := pci.ParseFunction(id); err == nil && f.IsVF() && n.card {
		return "with hw-offload it is a police rule (tc matchall) of the representor, and the card holds the VF to it, in whole Mbit/s"
	}
	return "with hw-offload it holds only for what the kernel forwards: of police rules mlx5 takes the rate in bytes, and on representors of VFs"
}

// policedAll is policed of all settings of a port that is put there, each reason once.
func (d *differ) policedAll(id string, w Port) string {
	var all []string
	told := w.settings()
	for _, attribute := range told.sorted() {
		if why := d.policed(id, attribute, told[attribute]); why != "" {
			all = append(all, attribute+": "+why)
		}
	}
	return strings.Join(all, "; ")
}

// set brings settings of a port's rows to what they shall be, where they are others.
func (t *transaction) set(uuid string, told settings) {
	row := t.r.Ports[uuid]
	config := row.Map(columnConfig)
	var out []string
	in := map[string]string{}
	columns := ovsdb.Columns{}
	interfaces := row.UUIDs("interfaces")
	for _, attribute := range told.sorted() {
		v := told[attribute]
		key, isKey := keyOf(attribute)
		was, had := config[key]
		switch {
		case isKey && v.IsAbsent():
			if had {
				out = append(out, key)
			}
		case isKey:
			if !had || was != v.Str() {
				out, in[key] = append(out, key), v.Str()
			}
		case len(interfaces) == 1:
			is := t.r.Interfaces[interfaces[0]].Int(attribute)
			if n, err := strconv.Atoi(v.Str()); err == nil && (is == nil && n != 0 || is != nil && *is != n) {
				columns[attribute] = ovsdb.Atom(n)
			}
		}
	}
	t.keys(ovsdb.TablePort, uuid, columnConfig, in, out)
	if len(columns) > 0 {
		t.add(ovsdb.Update(ovsdb.TableInterface, interfaces[0], columns))
	}
}
