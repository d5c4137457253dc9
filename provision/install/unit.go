// SPDX-License-Identifier: Apache-2.0

package install

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/nicwright/nicwright/profiles"
)

// templates are the units, and what two of them have of hardening.
//
//go:embed *.tmpl
var templates embed.FS

// stepsSince is the first systemd with RestartSteps= and RestartMaxDelaySec= (NEWS,
// 254); an older one complains of them.
const stepsSince = 254

// againText is the unit that a udev rule starts when an uplink is made anew. It restarts
// the other, and is not a second one that applies: how the host stands is in one place.
func againText() (string, error) {
	return render("nicwright-again.service.tmpl", map[string]any{"Mark": Mark, "Unit": Unit})
}

func render(name string, values map[string]any) (string, error) {
	t, err := template.New(name).ParseFS(templates, name, "hardening.tmpl")
	var out strings.Builder
	if err == nil {
		err = t.Execute(&out, values)
	}
	if err != nil {
		return "", fmt.Errorf("making the unit of %s: %w", name, err)
	}
	return out.String(), nil
}

// unitText is the unit that applies the profile at boot.
func unitText(p *profiles.Profile, o Options) (string, error) {
	config := ProfilePath(o.ConfigDir)
	// A configuration directory of its own: nothing that is put into the host's after the install is laid over what was installed.
	command := []string{
		o.Binary, "--timeout", o.Limit.String(), "apply", "--at-boot", "--without-missing", "--wait-for-card", o.Wait.String(),
		"-p", config, "--config-dir", strings.TrimSuffix(config, "/"+profileFile),
	}
	return execute("nicwright.service.tmpl", p, o, command, map[string]any{
		"KernelLog": true, "Steps": o.Systemd >= stepsSince, "StartSec": fmt.Sprintf("%ds", int((o.Limit+time.Minute)/time.Second)),
	})
}

// watchText is the unit that watches what is in force.
func watchText(p *profiles.Profile, o Options) (string, error) {
	config := strings.TrimSuffix(ProfilePath(o.ConfigDir), "/"+profileFile)
	return execute("watch.service.tmpl", p, o, []string{o.Binary, "watch", "--config-dir", config}, map[string]any{"Listens": true})
}

// hasFlows tells whether a profile has rules, which Open vSwitch keeps in memory alone.
func hasFlows(p *profiles.Profile) bool {
	return p.OVS != nil && slices.ContainsFunc(p.OVS.Bridges, func(b profiles.SwitchBridge) bool { return len(b.Flows) > 0 })
}

// execute makes a unit whose command gets the directories that are not the usual ones.
func execute(name string, p *profiles.Profile, o Options, command []string, more map[string]any) (string, error) {
	var writable []string
	for _, d := range []struct{ flag, dir, usual string }{{"--state-dir", o.StateDir, defaultState}, {"--run-dir", o.RunDir, defaultRun}} {
		if d.dir != d.usual {
			command = append(command, d.flag, d.dir)
			writable = append(writable, d.dir)
		}
	}
	profile := p.Name
	if profile == "" {
		profile = "without a name"
	}
	values := map[string]any{
		"Mark": Mark, "Profile": profile, "OVS": p.OVS != nil, "Flows": hasFlows(p), "Binary": o.Binary, "Config": o.ConfigDir, "State": o.StateDir,
		"Command": strings.Join(command, " "), "Writable": writable, "Unit": Unit, "WatchUnit": WatchUnit, "Listens": false, "KernelLog": false,
	}
	maps.Copy(values, more)
	return render(name, values)
}
