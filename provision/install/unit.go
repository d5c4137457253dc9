// SPDX-License-Identifier: Apache-2.0

package install

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/nicwright/nicwright/profiles"
)

//go:embed nicwright.service.tmpl
var unitTemplate string

//go:embed nicwright-again.service.tmpl
var againTemplate string

// stepsSince is the first systemd with RestartSteps= and RestartMaxDelaySec= (NEWS,
// 254); an older one complains of them.
const stepsSince = 254

// againText is the unit that a udev rule starts when an uplink is made anew. It restarts
// the other, and is not a second one that applies: how the host stands is in one place.
func againText() (string, error) {
	t, err := template.New(AgainUnit).Parse(againTemplate)
	if err != nil {
		return "", fmt.Errorf("making the unit %s: %w", AgainUnit, err)
	}
	var out strings.Builder
	if err := t.Execute(&out, map[string]string{"Mark": Mark, "Unit": Unit}); err != nil {
		return "", fmt.Errorf("making the unit %s: %w", AgainUnit, err)
	}
	return out.String(), nil
}

// unitText is the unit that applies the profile at boot.
func unitText(p *profiles.Profile, o Options) (string, error) {
	t, err := template.New(Unit).Parse(unitTemplate)
	if err != nil {
		return "", fmt.Errorf("making the unit: %w", err)
	}
	config := ProfilePath(o.ConfigDir)
	// A configuration directory of its own: nothing that is put into the host's after the install is laid over what was installed.
	command := []string{
		o.Binary, "--timeout", o.Limit.String(), "apply", "--wait-for-card", o.Wait.String(),
		"-p", config, "--config-dir", strings.TrimSuffix(config, "/"+profileFile),
	}
	var writable []string
	for _, d := range []struct{ flag, dir, usual string }{{"--state-dir", o.StateDir, defaultState}, {"--run-dir", o.RunDir, defaultRun}} {
		if d.dir != d.usual {
			command = append(command, d.flag, d.dir)
			writable = append(writable, d.dir)
		}
	}
	name := p.Name
	if name == "" {
		name = "without a name"
	}
	var out strings.Builder
	err = t.Execute(&out, map[string]any{
		"Mark": Mark, "Profile": name, "OVS": p.OVS != nil, "Binary": o.Binary, "Config": o.ConfigDir, "State": o.StateDir,
		"Command": strings.Join(command, " "), "Writable": writable, "Steps": o.Systemd >= stepsSince,
		"StartSec": fmt.Sprintf("%ds", int((o.Limit+time.Minute)/time.Second)),
	})
	if err != nil {
		return "", fmt.Errorf("making the unit: %w", err)
	}
	return out.String(), nil
}
