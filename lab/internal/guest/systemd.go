// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/lab/internal/wire"
)

// Systemd is what a machine that boots from a disk is told in its initramfs: its
// units are at work before the host says anything.
type Systemd struct {
	// Card is put in at boot; nil: none. With NoLoad it is put in by `systemctl start lab-card`.
	Card *wire.Card
	// Late is how many seconds after the boot's start the card appears.
	Late int
}

// Files of the initramfs of a machine with a disk: what it is told, and the modules of the lab.
const (
	SystemdFile = BootDir + "/systemd.json"
	LabModules  = BootDir + "/lab"
)

// Verbs of this program in such a machine.
const (
	CardVerb = "__card" // puts the card in
	LoadVerb = "__load" // loads one of the lab's modules, as modprobe's command
)

// LabDir is this program's place in a machine with a disk: in memory, so that it is
// always the host's, whatever is on the disk.
const LabDir = "/run/lab"

func onDisk() bool {
	_, err := os.Stat(SystemdFile)
	return err == nil
}

// bootDisk mounts the disk and becomes systemd. It returns only on an error.
func bootDisk() error {
	var what Systemd
	b, err := os.ReadFile(SystemdFile)
	if err != nil {
		return fmt.Errorf("read how the machine boots: %w", err)
	}
	if err := json.Unmarshal(b, &what); err != nil {
		return fmt.Errorf("read how the machine boots: %w", err)
	}
	// Data that was not synced is lost when the machine is cut off, as on a host: the mount options are Debian's.
	if err := mountAll([]mount{
		{"/dev/vda", "/new", "ext4", "errors=remount-ro", unix.MS_NOATIME},
		{"/proc", "/new/proc", "", "", unix.MS_MOVE},
		{"/sys", "/new/sys", "", "", unix.MS_MOVE},
		{"/dev", "/new/dev", "", "", unix.MS_MOVE},
		{"tmpfs", "/new/run", "tmpfs", "mode=755", unix.MS_NOSUID | unix.MS_NODEV},
	}); err != nil {
		return err
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("ask which kernel this is: %w", err)
	}
	if r := unix.ByteSliceToString(u.Release[:]); !isDir("/new/usr/lib/modules/" + r) {
		return fmt.Errorf("the disk was made for another kernel than %s: remove its file", r)
	}
	if err := placeLab("/new" + LabDir); err != nil {
		return err
	}
	for name, text := range units(what) {
		if err := place(filepath.Join("/new/run", name), text); err != nil {
			return err
		}
	}
	if err := changeRoot(); err != nil {
		return err
	}
	return fmt.Errorf("run systemd: %w", unix.Exec("/usr/lib/systemd/systemd", []string{"/sbin/init"}, []string{"TERM=linux", "HOME=/"}))
}

// placeLab copies this program, the lab's modules and what the machine was told.
func placeLab(dir string) error {
	modules, err := filepath.Glob(LabModules + "/*")
	if err != nil {
		return fmt.Errorf("find the lab's modules: %w", err)
	}
	to := map[string]string{InitPath: dir + "/lab", SystemdFile: dir + "/systemd.json"}
	for _, m := range modules {
		to[m] = dir + "/modules/" + filepath.Base(m)
	}
	for from, at := range to {
		b, err := os.ReadFile(from)
		if err != nil {
			return fmt.Errorf("copy %s: %w", from, err)
		}
		if err := place(at, string(b)); err != nil {
			return err
		}
	}
	if err := os.Chmod(dir+"/lab", 0o755); err != nil {
		return fmt.Errorf("let units run this program: %w", err)
	}
	return nil
}

// place writes a file with the directories on its way; text that begins with "-> " is a link.
func place(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if to, ok := strings.CutPrefix(text, "-> "); ok {
		if err := os.Symlink(to, path); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		return nil
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

const agentUnit = `[Unit]
Description=The lab's agent: runs what the host asks for
DefaultDependencies=no
After=local-fs.target
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=` + LabDir + `/lab ` + AgentVerb + `
TimeoutStopSec=3s
OOMScoreAdjust=-900
`

const cardUnit = `[Unit]
Description=The emulated card appears
DefaultDependencies=no
After=local-fs.target systemd-udevd.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=` + LabDir + `/lab ` + CardVerb + `
TimeoutStartSec=5min
`

// modprobe: the driver is the lab's, whoever asks for it; udev does when the card appears, as for a real one.
// What builds on Debian's own driver would not load.
const modprobe = "install mlx5_core " + LabDir + "/lab " + LoadVerb + " mlx5_core.ko\nblacklist mlx5_ib\nblacklist mlx5_vdpa\nblacklist mlx5-vfio-pci\n"

// masked are units that take an emulated processor long, or that nobody wants who looks at what a boot did.
var masked = []string{
	"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "systemd-tmpfiles-clean.timer",
	"getty.target", "getty-static.service", "serial-getty@ttyS0.service", "systemd-logind.service", "systemd-user-sessions.service",
	"systemd-ask-password-wall.path", "systemd-ask-password-console.path", "remote-fs.target",
	"dev-hugepages.mount", "dev-mqueue.mount", "sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "proc-sys-fs-binfmt_misc.automount",
	"modprobe@configfs.service", "modprobe@fuse.service", "modprobe@drm.service", "kmod-static-nodes.service",
	"systemd-random-seed.service", "systemd-remount-fs.service", "systemd-tmpfiles-setup-dev.service", "systemd-tmpfiles-setup-dev-early.service",
	"systemd-udev-load-credentials.service", "systemd-update-utmp.service", "systemd-sysusers.service", "systemd-update-done.service",
	"systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "ldconfig.service", "systemd-journal-flush.service",
	"systemd-firstboot.service", "systemd-pstore.service", "systemd-binfmt.service", "systemd-machine-id-commit.service", "systemd-hibernate-clear.service",
	"systemd-tpm2-setup.service", "systemd-tpm2-setup-early.service", "systemd-pcrmachine.service", "systemd-pcrphase.service", "systemd-pcrphase-sysinit.service",
	"systemd-creds.socket", "systemd-hostnamed.socket", "systemd-pcrextend.socket", "systemd-pcrlock.socket", "systemd-sysext.socket", "systemd-initctl.socket",
	"nginx.service", "strongswan.service", "uuidd.socket",
}

// maskedGenerators find nothing in this machine.
var maskedGenerators = []string{
	"systemd-debug-generator", "systemd-getty-generator", "systemd-gpt-auto-generator", "systemd-hibernate-resume-generator",
	"systemd-rc-local-generator", "systemd-run-generator", "systemd-ssh-generator", "systemd-system-update-generator", "systemd-sysv-generator",
	"systemd-tpm2-generator",
}

// fewDevices: of the hundreds of devices that were there before udev, those that a network card is found by.
const fewDevices = "[Service]\nExecStart=\nExecStart=-udevadm trigger --type=devices --action=add --subsystem-match=net --subsystem-match=pci --subsystem-match=block --subsystem-match=virtio\n"

// units are what is put below /run: systemd and modprobe read there as in /etc.
func units(what Systemd) map[string]string {
	const system = "systemd/system/"
	files := map[string]string{
		system + "lab-agent.service":                       agentUnit,
		system + "sysinit.target.wants/lab-agent.service":  "-> ../lab-agent.service",
		system + "default.target":                          "-> /usr/lib/systemd/system/multi-user.target",
		system + "systemd-udev-trigger.service.d/lab.conf": fewDevices,
		// The machine is emulated: what takes a second on a host may take a minute here, and Debian's units of
		// Open vSwitch have systemd's 90 s.
		"systemd/system.conf.d/lab.conf": "[Manager]\nDefaultTimeoutStartSec=10min\n",
	}
	for _, unit := range masked {
		files[system+unit] = "-> /dev/null"
	}
	for _, g := range maskedGenerators {
		files["systemd/system-generators/"+g] = "-> /dev/null"
	}
	if what.Card != nil {
		files[system+"lab-card.service"] = cardUnit
		files["modprobe.d/lab.conf"] = modprobe
		if !what.Card.NoLoad {
			files[system+"sysinit.target.wants/lab-card.service"] = "-> ../lab-card.service"
		}
	}
	return files
}

// Card puts the card in, as lab-card.service.
func Card() error {
	var what Systemd
	b, err := os.ReadFile(LabDir + "/systemd.json")
	if err != nil {
		return fmt.Errorf("read which card there is: %w", err)
	}
	if err := json.Unmarshal(b, &what); err != nil {
		return fmt.Errorf("read which card there is: %w", err)
	}
	if what.Card == nil {
		return errors.New("the machine was started without a card")
	}
	time.Sleep(time.Until(booted().Add(time.Duration(what.Late) * time.Second)))
	if err := loadCard(what.Card); err != nil {
		return err
	}
	return wirePeer(what.Card, func(line string) { fmt.Println(line) })
}

// booted is when the kernel started.
func booted() time.Time {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	return time.Now().Add(-time.Duration(t.Nano()))
}

// Load loads one of the lab's modules unless it is loaded.
func Load(name string) error {
	loaded := func() bool { return isDir("/sys/module/" + strings.TrimSuffix(name, ".ko")) }
	if loaded() {
		return nil
	}
	if err := load(name); err != nil && !loaded() { // another may have been quicker
		return err
	}
	return nil
}

// awaitBoot waits until systemd has started all that it was to start, or could not.
func awaitBoot() error {
	out, err := exec.Command("systemctl", "is-system-running", "--wait").CombinedOutput()
	state := strings.TrimSpace(string(out))
	switch state {
	case "running", "degraded": // what failed, and whether that matters, is the command's affair
		return nil
	}
	return fmt.Errorf("systemctl is-system-running says %q: %w", state, err)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
