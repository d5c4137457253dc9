// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/step"
)

// value is a port in a step: all that is needed to put it there.
type value struct {
	vlan   vlan
	ofport int    // OpenFlow number that it shall have again, 0: any
	owner  string // "": somebody else's
	rest   *Rest
}

// Words of the text, after those of the VLANs.
const (
	wordOFPort = "ofport"
	wordOwner  = "owner"
	wordWith   = "with"
)

var plainOwner = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func ownerText(owner string) string {
	if plainOwner.MatchString(owner) {
		return owner
	}
	return strconv.Quote(owner)
}

// text is the VLANs, then what else there is:
//
//	native-untagged 10 trunks 10,100 ofport 3 owner host1 with {"port":{"qos":["uuid","..."]}}
func (v value) text() string {
	s := v.vlan.text()
	if v.ofport > 0 {
		s += " " + wordOFPort + " " + strconv.Itoa(v.ofport)
	}
	if v.owner != "" {
		s += " " + wordOwner + " " + ownerText(v.owner)
	}
	if v.rest != nil {
		if b, err := json.Marshal(v.rest); err == nil && string(b) != "{}" {
			s += " " + wordWith + " " + string(b)
		}
	}
	return s
}

// parseValue reads what text wrote.
func parseValue(s string) (value, error) {
	bad := func(why string, args ...any) (value, error) {
		return value{}, fmt.Errorf("%q is no port of a switch: %s", s, fmt.Sprintf(why, args...))
	}
	head, rest, v, err := splitValue(s)
	if err != nil {
		return bad("%v", err)
	}
	if rest != "" {
		v.rest = new(Rest)
		d := json.NewDecoder(strings.NewReader(rest))
		d.DisallowUnknownFields()
		if err := d.Decode(v.rest); err != nil {
			return bad("%v", err)
		}
		if d.More() {
			return bad("there is something after the columns")
		}
	}
	var words []string
	if v.vlan, words, err = parseVLAN(strings.Fields(head)); err != nil {
		return bad("%v", err)
	}
	if len(words) == 2 && words[0] == wordOFPort {
		if v.ofport, err = strconv.Atoi(words[1]); err == nil && v.ofport > 0 {
			return v, nil
		}
	}
	if len(words) > 0 {
		return bad("%q means nothing here", words[0])
	}
	return v, nil
}

// splitValue reads the owner, and gives what is before it and the columns after it.
func splitValue(s string) (head, rest string, v value, err error) {
	const owner, with = " " + wordOwner + " ", " " + wordWith + " {"
	head = s
	at := strings.Index(s, owner)
	if i := strings.Index(s, with); i >= 0 && (at < 0 || i < at) {
		return s[:i], s[i+len(with)-1:], v, nil
	}
	if at < 0 {
		return head, "", v, nil
	}
	head, s = s[:at], s[at+len(owner):]
	name, after := s, ""
	if i := strings.IndexByte(s, ' '); i >= 0 {
		name, after = s[:i], s[i:]
	}
	if strings.HasPrefix(s, `"`) {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return "", "", v, fmt.Errorf("the owner is quoted badly")
		}
		after = s[len(quoted):]
		if name, err = strconv.Unquote(quoted); err != nil {
			return "", "", v, err
		}
	} else if !plainOwner.MatchString(name) {
		return "", "", v, fmt.Errorf("%q is no owner", name)
	}
	if v.owner = name; after == "" {
		return head, "", v, nil
	}
	rest, ok := strings.CutPrefix(after, with)
	if !ok {
		return "", "", v, fmt.Errorf("%q after the owner", after)
	}
	return head, "{" + rest, v, nil
}

// Marks in external_ids. The identity is kept beside the mark, so that the port of
// a representor that vanished is still known for what it was.
const (
	keyMark     = "nicwright"          // the owner: the name of a profile, or valueV1
	keyFunction = "nicwright-function" // pci.Function.String()
	keyBond     = "nicwright-bond"     // the bond's name
	// keyAway, with an ID behind it, is on a bridge whose port of that ID was taken off for as long as
	// the eswitch changes: the value is the port, to be put back also after a kill.
	keyAway = "nicwright-away:"
	// valueV1 is the mark of versions that named no profile.
	valueV1 = "1"
)

// ownerOf is whose a row is, "" for somebody else's.
func ownerOf(ids map[string]string) string {
	if m := ids[keyMark]; m != valueV1 {
		return m
	}
	return step.NoOwner
}

func markOf(owner string) string {
	if owner == step.NoOwner {
		return valueV1
	}
	return owner
}

// identityIDs are the external_ids of a port of that owner.
func identityIDs(id, owner string) map[string]string {
	if owner == "" {
		return nil
	}
	ids := map[string]string{keyMark: markOf(owner)}
	if bond, ok := strings.CutPrefix(id, idBond); ok {
		ids[keyBond] = bond
	} else if !strings.HasPrefix(id, idPort) {
		ids[keyFunction] = id
	}
	return ids
}

// foreignIDs are external_ids without ours.
func foreignIDs(ids map[string]string) map[string]string {
	out := maps.Clone(ids)
	maps.DeleteFunc(out, func(k, _ string) bool {
		return slices.Contains([]string{keyMark, keyFunction, keyBond}, k) || strings.HasPrefix(k, keyAway)
	})
	return out
}

// withoutMarks is a row's columns without what is ours in its external_ids.
func withoutMarks(c ovsdb.Columns) ovsdb.Columns {
	ids := c.Map("external_ids")
	left := foreignIDs(ids)
	if len(left) == len(ids) {
		return c
	}
	c = maps.Clone(c)
	delete(c, "external_ids")
	if len(left) > 0 {
		c["external_ids"] = ovsdb.Map(left)
	}
	if len(c) == 0 {
		return nil
	}
	return c
}
