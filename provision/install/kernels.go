// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/nicwright/nicwright/profiles"
)

// Kernels say how new kernels are tried (docs/kernel-upgrade.md).
type Kernels struct {
	Check    bool // hooks and the unit are installed
	FallBack bool // a kernel that is found worse has the host reboot into the old one
	Hooks    Hooks
}

// Hooks are what on a host tells of new kernels, and of boots that went well.
type Hooks struct {
	// Dpkg: the scripts of Debian's kernel packages run those of preinst.d and postinst.d.
	Dpkg bool `json:"dpkg"`
	// KernelInstall: Fedora's packages call kernel-install(8). Where dpkg is, its scripts come first,
	// and are all that is needed.
	KernelInstall bool `json:"kernel_install"`
	Greenboot     bool `json:"greenboot"`
}

// FindHooks looks which there are below root ("/" or "" for this host).
func FindHooks(root string) Hooks {
	there := func(paths ...string) bool {
		for _, p := range paths {
			if _, err := os.Stat(filepath.Join("/", root, p)); err == nil {
				return true
			}
		}
		return false
	}
	h := Hooks{Dpkg: there("/usr/bin/dpkg"), Greenboot: there("/usr/libexec/greenboot/greenboot", "/etc/greenboot/check/required.d", "/usr/lib/greenboot/check/required.d")}
	h.KernelInstall = !h.Dpkg && there("/usr/bin/kernel-install", "/bin/kernel-install")
	return h
}

// Where hooks are: run-parts takes names without a dot alone, and in the order of their
// bytes: zzz-nicwright is behind zz-update-grub, which makes the menu's entries.
const (
	preinstPath   = "/etc/kernel/preinst.d/nicwright"
	postinstPath  = "/etc/kernel/postinst.d/zzz-nicwright"
	addBeforePath = "/etc/kernel/install.d/01-nicwright.install"
	addAfterPath  = "/etc/kernel/install.d/99-nicwright.install" // behind 99-grub-mkconfig.install
	greenbootPath = "/etc/greenboot/check/required.d/50_nicwright.sh"
)

// kernelChecks are the files by which new kernels are tried, the hooks last.
func (o Options) kernelChecks(p *profiles.Profile) ([]File, error) {
	if !o.Kernels.Check {
		return nil, nil
	}
	command := []string{o.Binary, "--timeout", trialLimit, "kernel-check", "judge"}
	if o.Kernels.FallBack {
		command = append(command, "--fall-back")
	}
	if o.ConfigDir != profiles.DefaultConfigDir {
		command = append(command, "--config-dir", o.ConfigDir)
	}
	unit, err := execute("trial.service.tmpl", p, o, command, map[string]any{"FallBack": o.Kernels.FallBack})
	if err != nil {
		return nil, err
	}
	files := []File{{Path: trialPath, Mode: 0o644, Text: unit}}
	if o.Kernels.Hooks.Greenboot {
		files = append(files, File{Path: greenbootPath, Mode: 0o755, Text: script(`# greenboot takes a boot for bad when this fails. The unit does the work; this waits for it.
systemctl is-failed --quiet ` + TrialUnit + ` && exit 1
exec systemctl start ` + TrialUnit + `
`)})
	}
	files = append(files, File{Path: trialWants, Link: trialPath}, File{Path: trialNeeds, Link: trialPath})
	if o.Kernels.Hooks.KernelInstall {
		files = append(
			files,
			File{Path: addBeforePath, Mode: 0o755, Text: script("# kernel-install(8) runs it: COMMAND VERSION ... Whatever comes of it, the kernel is installed.\n[ \"$1\" = add ] || exit 0\n" + o.hook("before", "$2"))},
			File{Path: addAfterPath, Mode: 0o755, Text: script("# kernel-install(8) runs it, behind those that make the boot loader's entry.\n[ \"$1\" = add ] || exit 0\n" + o.hook("after", "$2"))},
		)
	}
	if o.Kernels.Hooks.Dpkg {
		files = append(
			files,
			File{Path: preinstPath, Mode: 0o755, Text: script("# A kernel package's preinst runs it with the kernel's release. Whatever comes of it, the kernel is installed.\n" + o.hook("before", "$1"))},
			File{Path: postinstPath, Mode: 0o755, Text: script("# A kernel package's postinst runs it with the kernel's release, behind zz-update-grub.\n" + o.hook("after", "$1"))},
		)
	}
	return files, nil
}

// trialLimit is for the whole trial at boot, the wait for the profile's unit with it.
const trialLimit = "20m0s"

func script(text string) string { return "#!/bin/sh\n" + Mark + "\n" + text }

// hook is the command of a hook, which never fails.
func (o Options) hook(when, release string) string {
	command := []string{o.Binary, "kernel-check", when}
	for _, d := range []struct{ flag, dir, usual string }{
		{"--config-dir", o.ConfigDir, profiles.DefaultConfigDir}, {"--state-dir", o.StateDir, defaultState}, {"--run-dir", o.RunDir, defaultRun},
	} {
		if d.dir != d.usual {
			command = append(command, d.flag, d.dir)
		}
	}
	return "[ -x " + o.Binary + " ] && " + strings.Join(command, " ") + " -- \"" + release + "\"\nexit 0\n"
}
