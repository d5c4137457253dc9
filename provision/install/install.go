// SPDX-License-Identifier: Apache-2.0

// Package install makes a host come up as a profile says: the files that do it
// (the profile, a systemd unit, udev rules, drop-ins for other network managers)
// are made as data from a profile and options, and are put in place, and taken
// away, by a thin layer that touches nobody else's files.
package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nicwright/nicwright/profiles"
)

// Mark is the first line of every file that is written: by it, and by nothing
// else, a file is known to be ours.
const Mark = "# Written by `nicwright install`; `nicwright uninstall` takes it away. Changes here are lost."

// Unit is the name of the systemd unit that applies the profile at boot.
const Unit = "nicwright.service"

// WatchUnit is the name of the systemd unit that tells of drift.
const WatchUnit = "nicwright-watch.service"

// TrialUnit is the name of the systemd unit that judges a kernel that is on trial.
const TrialUnit = "nicwright-trial.service"

// AgainUnit starts it again when a driver that was loaded anew has made an uplink.
const AgainUnit = "nicwright-again.service"

// Where the files are; the profile's is below the configuration directory.
const (
	unitPath     = "/etc/systemd/system/" + Unit
	againPath    = "/etc/systemd/system/" + AgainUnit
	wantsPath    = "/etc/systemd/system/multi-user.target.wants/" + Unit
	switchWants  = "/etc/systemd/system/ovs-vswitchd.service.wants/" + Unit // of a profile with OpenFlow rules
	watchPath    = "/etc/systemd/system/" + WatchUnit
	watchWants   = "/etc/systemd/system/multi-user.target.wants/" + WatchUnit
	trialPath    = "/etc/systemd/system/" + TrialUnit
	trialWants   = "/etc/systemd/system/multi-user.target.wants/" + TrialUnit
	trialNeeds   = "/etc/systemd/system/boot-complete.target.requires/" + TrialUnit
	rulesPath    = "/etc/udev/rules.d/70-nicwright.rules" // before 80-net-setup-link.rules, which names what has no name yet
	linkPath     = "/etc/systemd/network/98-nicwright.link"
	networkPath  = "/etc/systemd/network/05-nicwright.network"
	cloudPath    = "/etc/cloud/cloud.cfg.d/95-nicwright.cfg"
	bootDir      = "boot"
	profileFile  = "profile.yaml"
	defaultState = "/var/lib/nicwright"
	defaultRun   = "/run/nicwright"
)

// File is one file, or link, that install puts in place.
type File struct {
	Path string `json:"path"`          // on the host, absolute
	Mode Mode   `json:"mode,omitzero"` // 0 of a link
	Text string `json:"text,omitempty"`
	Link string `json:"link,omitempty"` // of a symbolic link, where it points
}

// Mode is a file's permissions; as text it is octal, as in 0644.
type Mode fs.FileMode

func (m Mode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// MarshalText writes it.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads it.
func (m *Mode) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 8, 9)
	if err != nil {
		return fmt.Errorf("%q is no file's permissions: 0 to 0777", b)
	}
	*m = Mode(n)
	return nil
}

// Options say how a host comes up.
type Options struct {
	Binary    string        // absolute path of the tool, in a directory that is there early at boot
	ConfigDir string        // as of --config-dir; "": profiles.DefaultConfigDir
	StateDir  string        // as of --state-dir; "": /var/lib/nicwright
	RunDir    string        // as of --run-dir; "": /run/nicwright
	Wait      time.Duration // how long a card may take to appear; more than 0
	Limit     time.Duration // for the whole apply, the wait with it; more than Wait
	Systemd   int           // version of the host's systemd; 0: not known
	Names     string        // template of netdev names (ParseTemplate); "": nothing is named
	Ports     []Port        // of the profile's cards on this host; nil where no card is there
	Managers  Managers      // who else is there
	Watch     bool          // the host is watched, too
	Kernels   Kernels       // new kernels are tried
}

// ErrNoCard is returned where names are asked for and no card is there to take them from.
var ErrNoCard = errors.New("the profile's cards are not on this host, and names go by their PCI addresses: install again with the card")

// ProfilePath is where the profile is put below a configuration directory.
func ProfilePath(configDir string) string { return filepath.Join(configDir, bootDir, profileFile) }

func (o Options) withDefaults() Options {
	if o.ConfigDir == "" {
		o.ConfigDir = profiles.DefaultConfigDir
	}
	if o.StateDir == "" {
		o.StateDir = defaultState
	}
	if o.RunDir == "" {
		o.RunDir = defaultRun
	}
	return o
}

// Files are all files that bring a host up as the profile says, in the order in
// which they are put in place: what refers to others comes after them, and the link
// that makes the unit start at boot is the last.
func Files(p *profiles.Profile, o Options) ([]File, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	text, err := profileText(p)
	if err != nil {
		return nil, err
	}
	files := []File{{Path: ProfilePath(o.ConfigDir), Mode: 0o644, Text: text}}
	rules, err := udevRules(o)
	if err != nil {
		return nil, err
	}
	if rules != "" {
		again, err := againText()
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: againPath, Mode: 0o644, Text: again}, File{Path: rulesPath, Mode: 0o644, Text: rules}) // which start it
	}
	if link := bondLink(p); link != "" {
		files = append(files, File{Path: linkPath, Mode: 0o644, Text: link})
	}
	files = append(files, dropins(o)...)
	unit, err := unitText(p, o)
	if err != nil {
		return nil, err
	}
	if o.Watch {
		watch, err := watchText(p, o)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: watchPath, Mode: 0o644, Text: watch}, File{Path: watchWants, Link: watchPath})
	}
	checks, err := o.kernelChecks(p)
	if err != nil {
		return nil, err
	}
	files = append(append(files, checks...), File{Path: unitPath, Mode: 0o644, Text: unit})
	if hasFlows(p) {
		files = append(files, File{Path: switchWants, Link: unitPath})
	}
	return append(files, File{Path: wantsPath, Link: unitPath}), nil
}

// Known are the paths of all files that any version and any options put in place.
func Known(configDir string) []string {
	return []string{
		ProfilePath(configDir), againPath, rulesPath, linkPath, networkPath, cloudPath, watchPath, watchWants,
		trialPath, greenbootPath, trialWants, trialNeeds, addBeforePath, addAfterPath, preinstPath, postinstPath, unitPath, switchWants, wantsPath,
	}
}

// profileText is the profile with all of its layers in one document. Each value
// says where it is from, as long as the document is not too long with that.
func profileText(p *profiles.Profile) (string, error) {
	var err error
	for _, origins := range []bool{true, false} {
		var b []byte
		if b, err = p.YAML(origins); err != nil {
			return "", err
		}
		text := Mark + "\n# " + p.Name + " with its layers as of the install. Change those, and install again.\n" + string(b)
		if err = profiles.Validate(p.Name, []byte(text)); err == nil {
			return text, nil
		}
	}
	return "", fmt.Errorf("writing profile %s as one document: %w", p.Name, err)
}

func (o Options) check() error {
	var errs []error
	for what, dir := range map[string]string{"the tool": o.Binary, "--config-dir": o.ConfigDir, "--state-dir": o.StateDir, "--run-dir": o.RunDir} {
		if !filepath.IsAbs(dir) || path.Clean(dir) != dir || strings.Trim(dir, plain) != "" {
			errs = append(errs, fmt.Errorf("%s is %q, and a unit needs an absolute path of letters, digits and /._+-", what, dir))
		}
	}
	for _, dir := range []string{"/home", "/root", "/run/user", "/tmp", "/var/tmp"} {
		if strings.HasPrefix(o.Binary, dir+"/") {
			errs = append(errs, fmt.Errorf("the tool is %s, and the unit does not see %s: `make install` puts it into /usr/local/bin; run that one", o.Binary, dir))
		}
	}
	if o.Wait <= 0 || o.Limit <= o.Wait {
		errs = append(errs, fmt.Errorf("a card may take %v to appear and the whole apply %v: the first has to be more than 0, the second more than the first", o.Wait, o.Limit))
	}
	return errors.Join(errs...)
}

// plain are the characters that mean nothing to systemd in a path.
const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._+-"
