// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nicwright/nicwright/internal/rehearsal"
)

// insideDir is in the machine's memory; the host's own settings, journal and lock are
// not looked at.
const insideDir = "/run/nicwright-rehearsal"

// Inside is what runs in the machine: apply, and baseline save of what came of it. It
// reads what to do from in, and writes an Outcome to out.
func Inside(ctx context.Context, in io.Reader, out io.Writer) error {
	var what rehearsal.Inside
	if err := json.NewDecoder(in).Decode(&what); err != nil {
		return fmt.Errorf("read what to do: %w", err)
	}
	args, env, err := writeProfile(insideDir, what)
	if err != nil {
		return err
	}
	args = append(args, "--state-dir", filepath.Join(insideDir, "state"), "--run-dir", filepath.Join(insideDir, "run"))
	var o rehearsal.Outcome
	if file, err := exec.CommandContext(ctx, "modinfo", "-n", "mlx5_core").Output(); err == nil {
		o.Driver = strings.TrimSpace(string(file))
	}
	sets, left := withoutVFIO(ctx, env, args)
	args, o.Left = append(args, sets...), left
	o.Apply, _ = nicwright(ctx, env, append([]string{"apply"}, args...)...)
	o.Apply.Said = named(o.Apply.Said, what)
	runs := what.Runs
	if o.Apply.Status != 0 {
		runs = 0 // there is nothing to prove; what the kernel shows is still told
	}
	save := []string{"baseline", "save", "rehearsal", "--json", fmt.Sprintf("--runs=%d", runs), fmt.Sprintf("--quick=%t", what.Quick)}
	var text []byte
	o.Save, text = nicwright(ctx, env, append(save, args...)...)
	if o.Save.Status == 0 {
		o.Baseline = text
	}
	if err := json.NewEncoder(out).Encode(o); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// nicwright runs the tool, and gives how it ended with what it printed: all of it of a
// failure, and standard output.
func nicwright(ctx context.Context, env []string, args ...string) (rehearsal.Done, []byte) {
	cmd := exec.CommandContext(ctx, filepath.Join(toolPlace, "nicwright"), args...)
	var out, all bytes.Buffer
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, &all), io.MultiWriter(&all, os.Stderr)
	err := cmd.Run()
	done := rehearsal.Done{}
	if err == nil {
		return done, out.Bytes()
	}
	done.Said = strings.TrimSpace(all.String())
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		done.Status = exit.ExitCode()
	} else {
		done.Status = -1
		done.Said = strings.TrimSpace(done.Said + "\n" + err.Error())
	}
	return done, out.Bytes()
}

// layerFile is where the machine has a layer of a profile.
func layerFile(dir, name string, i int) string {
	if i == 0 {
		return filepath.Join(dir, "profile.yaml")
	}
	return filepath.Join(dir, "profiles.d", name, fmt.Sprintf("%03d.yaml", i))
}

// named has the names of files that the operator knows in the place of the machine's.
func named(said string, what rehearsal.Inside) string {
	for i, l := range what.Layers {
		if l.Source != rehearsal.Override {
			said = strings.ReplaceAll(said, layerFile(insideDir, what.Name, i), l.Source)
		}
	}
	return said
}

// writeProfile writes a profile's layers as nicwright reads them below a configuration
// directory, and gives the arguments and variables that name them.
func writeProfile(dir string, what rehearsal.Inside) (args, env []string, err error) {
	args = []string{"--config-dir", dir, "-p", layerFile(dir, what.Name, 0)}
	if err := os.MkdirAll(filepath.Join(dir, "profiles.d", what.Name), 0o700); err != nil {
		return nil, nil, fmt.Errorf("write the profile: %w", err)
	}
	for i, l := range what.Layers {
		if l.Source == rehearsal.Override {
			// A variable's name says the same as a path in other letters, and not all of it: it stays a variable.
			if strings.HasPrefix(l.Text, "NICWRIGHT_") {
				env = append(env, l.Text)
			} else {
				args = append(args, "--set", l.Text)
			}
			continue
		}
		if err := os.WriteFile(layerFile(dir, what.Name, i), []byte(l.Text), 0o600); err != nil {
			return nil, nil, fmt.Errorf("write the profile: %w", err)
		}
	}
	return args, env, nil
}

// document is of a profile, as `nicwright profile show --json` prints it, what names drivers of VFs.
type document struct {
	Cards []struct {
		Name  string
		Ports []struct {
			Name string
			VF   struct{ Driver string }
			VFs  json.RawMessage
		}
	}
}

// vfio is the driver by which a virtual machine has a VF.
const vfio = "vfio-pci"

// withoutVFIO gives the settings that take a VF's driver vfio-pci out of the profile, and
// words for each: the machine has no IOMMU behind the emulated card, and without one the
// kernel binds no VF to it.
func withoutVFIO(ctx context.Context, env, args []string) (sets, left []string) {
	done, text := nicwright(ctx, env, append([]string{"profile", "show", "--json"}, args...)...)
	var p document
	if done.Status != 0 || json.Unmarshal(text, &p) != nil {
		return nil, nil // apply will say what is wrong with the profile
	}
	return p.withoutVFIO()
}

func (p document) withoutVFIO() (sets, left []string) {
	drop := func(where, path string) {
		sets = append(sets, "--set", path+".driver=null")
		left = append(left, where+": driver "+vfio)
	}
	for _, c := range p.Cards {
		for _, port := range c.Ports {
			where, path := c.Name+"/"+port.Name, "cards."+c.Name+".ports."+port.Name
			if port.VF.Driver == vfio {
				drop(where+" VFs", path+".vf")
			}
			var ranges []struct{ Name, Driver string }
			if json.Unmarshal(port.VFs, &ranges) != nil {
				continue // a number, or nothing
			}
			for _, r := range ranges {
				if r.Driver == vfio {
					drop(where+" VFs "+r.Name, path+".vfs."+r.Name)
				}
			}
		}
	}
	return sets, left
}
