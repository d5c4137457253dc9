// SPDX-License-Identifier: Apache-2.0

package boot

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Kernels of the lab: the one that the host runs, and the one that is installed.
const (
	oldKernel = "6.12"
	newKernel = "7.3"
)

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			out = append(out, failed.Stderr...)
		}
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

var kernelLine = regexp.MustCompile(`(?m)^kernel +(\S+) \((\S+)\)$`)

// kernelOf is a kernel's directory in the lab's cache, and its release.
func kernelOf(t *testing.T, name string) (dir, release string) {
	t.Helper()
	m := kernelLine.FindStringSubmatch(tool(t, filepath.Join(needBoot(t), "lab"), "build", "--kernel", name, "--no-modules"))
	if m == nil {
		t.Fatalf("the lab does not say what kernel %s is", name)
	}
	return m[1], m[2]
}

// debs fetches Debian's packages of the new kernel, as they are, to where machines see them. They are kept for the next run.
func debs(t *testing.T) {
	t.Helper()
	dir, release := kernelOf(t, newKernel)
	text, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	var k struct{ Packages map[string]string }
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	user, failed := os.UserCacheDir()
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(user, "nicwright-debs")
	for _, d := range []string{"lists/partial", "cache/archives/partial", release} {
		if err := os.MkdirAll(filepath.Join(work, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sources := filepath.Join(work, "sources.list")
	if err := os.WriteFile(sources, []byte("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie-backports main\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	names := []string{"linux-base"}
	for name, version := range k.Packages {
		for _, part := range []string{"image", "binary", "modules", "base"} {
			if name == "linux-"+part+"-"+release {
				names = append(names, name+"="+version)
			}
		}
	}
	slices.Sort(names)
	at := filepath.Join(work, release)
	found, _ := filepath.Glob(filepath.Join(at, "*.deb"))
	if len(found) != len(names) {
		apt := `cd "$1" && shift && o="-q -o Dir::Etc::sourcelist=$1/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$1/lists -o Dir::Cache=$1/cache -o APT::Sandbox::User=root"
shift && apt-get $o update && apt-get $o download "$@"`
		tool(t, "sh", append([]string{"-ec", apt, "sh", at, work}, names...)...)
	}
	share := filepath.Join(needBoot(t), "share", "debs")
	tool(t, "cp", "-r", at, share)
}

// editenv is GRUB's own tool for its environment block: the one of this host, or that of its package, unpacked.
var editenv = sync.OnceValues(func() (string, error) {
	if tool, err := exec.LookPath("grub-editenv"); err == nil {
		return tool, nil
	}
	dir, err := built()
	if err != nil {
		return "", err
	}
	out, err := exec.Command("sh", "-ec", `mkdir -p "$1/grub" && cd "$1/grub" && apt-get -q -o APT::Sandbox::User=root download grub-common && dpkg -x grub-common_*.deb .`, "sh", dir).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("get grub-editenv: %w: %s", err, out)
	}
	return filepath.Join(dir, "grub/usr/bin/grub-editenv"), nil
})

// block is GRUB's environment block on a disk, as GRUB sees it: by its blocks, without the file system's journal.
type block struct {
	t          *testing.T
	disk, file string // the disk, and a copy of the block
	editenv    string
}

func readBlock(t *testing.T, disk string) *block {
	t.Helper()
	edit, err := editenv()
	if err != nil {
		t.Fatal(err)
	}
	b := &block{t, disk, filepath.Join(t.TempDir(), "grubenv"), edit}
	tool(t, "debugfs", "-R", "dump /boot/grub/grubenv "+b.file, disk)
	return b
}

// get is a variable, as grub-editenv lists it.
func (b *block) get(name string) string {
	b.t.Helper()
	for l := range strings.Lines(tool(b.t, b.editenv, b.file, "list")) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(l), name+"="); ok {
			return value
		}
	}
	return ""
}

// unset takes a variable away, and writes the block to where it is on the disk, as GRUB's save_env does.
func (b *block) unset(name string) {
	b.t.Helper()
	tool(b.t, b.editenv, b.file, "unset", name)
	number, err := strconv.ParseInt(strings.Fields(tool(b.t, "debugfs", "-R", "blocks /boot/grub/grubenv", b.disk))[0], 10, 64)
	size := regexp.MustCompile(`(?m)^Block size: +(\d+)$`).FindStringSubmatch(tool(b.t, "dumpe2fs", "-h", b.disk))
	if err != nil || size == nil {
		b.t.Fatalf("where the block is: %v, %v", err, size)
	}
	n, err := strconv.ParseInt(size[1], 10, 64)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := os.ReadFile(b.file)
	if err != nil {
		b.t.Fatal(err)
	}
	f, err := os.OpenFile(b.disk, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(text, number*n)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// loader plays GRUB, for QEMU loads the machine's kernel itself: it says which kernel the menu of the disk boots now, and
// does with the block what grub.cfg does.
func loader(t *testing.T, disk string) string {
	t.Helper()
	b := readBlock(t, disk)
	entry := b.get("next_entry")
	if entry != "" {
		b.unset("next_entry")
	} else {
		entry = b.get("saved_entry")
	}
	for _, name := range []string{oldKernel, newKernel} {
		if _, release := kernelOf(t, name); entry == "gnulinux-advanced-lab>gnulinux-"+release+"-advanced-lab" {
			t.Logf("GRUB boots %s", release)
			return name
		}
	}
	t.Fatalf("GRUB's menu has no %q", entry)
	return ""
}

// plant writes a file to a disk that no machine has now.
func plant(t *testing.T, disk, dir, name, text string) {
	t.Helper()
	file, script := filepath.Join(t.TempDir(), name), filepath.Join(t.TempDir(), "script")
	if err := errors.Join(
		os.WriteFile(file, []byte(text), 0o644),
		os.WriteFile(script, []byte("cd "+dir+"\nwrite "+file+" "+name+"\n"), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	tool(t, "debugfs", "-w", "-f", script, disk)
}

// patient are limits for machines that prove, and unpack a kernel, beside others. They come after those of start, and win.
var patient = []string{"--boot-limit", "15m", "--time-limit", "50m"}

// grubs is what the scripts of these tests begin with. The hook is a stand-in of update-grub, which makes the menu in grub-mkconfig's form.
const grubs = `
share=/lab/share
state=/var/lib/nicwright/trial.json
with_grub() {
	mkdir -p /boot/grub /etc/kernel/postinst.d
	cp $share/vmlinuz /boot/vmlinuz-$(uname -r)
	cp $share/grubenv /boot/grub/grubenv
	cat >/etc/kernel/postinst.d/zz-update-grub <<'EOS'
#!/bin/sh
{
	echo 'if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
else
   set default="${saved_entry}"
fi'
	echo "submenu 'Advanced options for Debian GNU/Linux' \$menuentry_id_option 'gnulinux-advanced-lab' {"
	for v in $(ls /boot | sed -n 's/^vmlinuz-//p' | sort -Vr); do
		echo "	menuentry 'Debian GNU/Linux, with Linux $v' \$menuentry_id_option 'gnulinux-$v-advanced-lab' {
		linux	/boot/vmlinuz-$v root=/dev/vda
	}"
	done
	echo "}"
} >/boot/grub/grub.cfg
EOS
	chmod 755 /etc/kernel/postinst.d/zz-update-grub
	/etc/kernel/postinst.d/zz-update-grub
}
trial() { jq -r ".trials[] | select(.kernel == \"$1\") | .$2" $state; }
through() { systemctl show --property ActiveState --value nicwright-trial.service | grep -Eqx 'active|failed'; }
trial_is() { [ "$(systemctl show --property ActiveState --value nicwright-trial.service)" = "$1" ] || { systemctl status --no-pager nicwright-trial.service; cat $state; cat /var/lib/nicwright/trials/*.txt; die "the trial's unit is not $1"; }; }
`

// upgraded is a disk on which the host has its new kernel installed by dpkg, with Debian's packages and our hooks, and was
// not rebooted yet. The fault is planted where a file says so, and the new kernel runs.
var upgraded = sync.OnceValues(func() (string, error) {
	dir, err := built()
	return filepath.Join(dir, "upgraded.img"), err
})

func upgrade(t *testing.T) string {
	t.Helper()
	dir := needBoot(t)
	made, err := upgraded()
	if err != nil {
		t.Fatal(err)
	}
	mine := newDisk(t)
	if kept := os.Getenv("NICWRIGHT_UPGRADED_DISK"); kept != "" {
		made = kept
	}
	if _, err := os.Stat(made); err != nil {
		image, _ := kernelOf(t, oldKernel)
		_, release := kernelOf(t, newKernel)
		tool(t, "cp", filepath.Join(image, "vmlinuz"), filepath.Join(dir, "share"))
		edit, err := editenv()
		if err != nil {
			t.Fatal(err)
		}
		tool(t, edit, filepath.Join(dir, "share/grubenv"), "create")
		debs(t)
		making := installed(t)
		// Units of others, Open vSwitch's among them, have as much time as a busy host needs.
		plant(t, making, "/etc/systemd/system.conf.d", "patient.conf", "[Manager]\nDefaultTimeoutStartSec=15min\n")
		boot(t, making, grubs+`new=`+release+`
within 400 state_is active
with_grub
nicwright install -p $p --kernel-checks --fall-back
nicwright install -p $p --kernel-checks --fall-back | grep "nothing to do"
printf '#!/bin/sh\n[ ! -e /root/fault ] || [ "$(uname -r)" != %s ] || echo 1 >/sys/kernel/debug/connectx_emu/no_encrypt\n' $new >/root/fault.sh
chmod 755 /root/fault.sh
mkdir -p /etc/systemd/system/nicwright-trial.service.d
printf '[Service]\nExecStartPre=/root/fault.sh\n' >/etc/systemd/system/nicwright-trial.service.d/fault.conf
systemctl daemon-reload
systemctl start boot-complete.target || die "a boot of no kernel on trial is not taken for good"
[ "$(jq -r .good.kernel $state)" = "$(uname -r)" ] || die "the first boot is not recorded: $(cat $state)"
# initramfs-tools is not there: the lab has an initramfs of its own.
dpkg -i --force-depends $share/debs/*.deb >/root/log 2>&1 || die "dpkg"
cat /root/log
[ -e /boot/vmlinuz-$new ] || die "no /boot/vmlinuz-$new"
nicwright baseline list
nicwright status
[ "$(trial $new against)" = "$(uname -r)" ] || die "not on trial: $(cat $state)"
[ "$(trial $new problems)" = null ] || die "hooks had problems: $(cat $state)"
nicwright status --json | jq -e '.kernels.state == "waiting"' >/dev/null || die "status does not say that it waits"
reboot`, patient...)
		if err := os.Rename(making, made); err != nil {
			tool(t, "cp", "--sparse=always", making, made)
		}
	}
	tool(t, "cp", "--sparse=always", "--reflink=auto", made, mine)
	return mine
}

// A kernel that Debian's packages bring is recorded before, tried once by GRUB, judged at its first boot, and found good:
// it is the default from then on.
func TestANewKernelIsTriedAndKept(t *testing.T) {
	disk := upgrade(t)
	_, release := kernelOf(t, newKernel)
	if got := loader(t, disk); got != newKernel {
		t.Fatalf("%s is booted", got)
	}
	boot(t, disk, grubs+`
within 1500 through
is active
trial_is active
[ "$(uname -r)" = `+release+` ] || die "$(uname -r) runs"
[ "$(trial $(uname -r) verdict)" = green ] || die "$(cat $state)"
systemctl start boot-complete.target || die "the boot is not taken for good"
nicwright status
nicwright status --json | jq -e '.kernels.state == "green" and .kernels.good.kernel == .kernels.running' >/dev/null || die "status does not say that it is good"
head -n 1 "$(trial $(uname -r) report)"
nothing_to_do
reboot`, append(patient, "--kernel", newKernel)...)
	b := readBlock(t, disk)
	if saved, next := b.get("saved_entry"), b.get("next_entry"); !strings.Contains(saved, release) || next != "" {
		t.Errorf("grub-editenv lists saved_entry=%s, next_entry=%s", saved, next)
	}
	if got := loader(t, disk); got != newKernel {
		t.Errorf("%s is booted next", got)
	}
}

// One with which something is worse is left by the host itself, once, with the report kept.
func TestANewKernelThatIsWorseIsLeft(t *testing.T) {
	disk := upgrade(t)
	_, release := kernelOf(t, newKernel)
	plant(t, disk, "/root", "fault", "")
	if got := loader(t, disk); got != newKernel {
		t.Fatalf("%s is booted", got)
	}
	// Nobody reboots it: the script does not come to its end.
	boot(t, disk, grubs+`
within 1500 through
cat $state
head -n 30 /var/lib/nicwright/trials/*.txt
sleep 600
die "it has not rebooted by itself"`, append(patient, "--kernel", newKernel)...)
	if got := loader(t, disk); got != oldKernel {
		t.Fatalf("%s is booted next", got)
	}
	boot(t, disk, grubs+`new=`+release+`
within 1500 through
is active
trial_is active
[ "$(trial $new verdict)" = red ] && [ "$(trial $new rebooted)" = true ] || die "$(cat $state)"
nicwright status
nicwright status --json | jq -e --arg new $new '.kernels.state == "red" and .kernels.trial.kernel == $new' >/dev/null || die "status does not say what happened"
grep "DO NOT KEEP" "$(trial $new report)" || die "the report is not kept"
cat "$(trial $new report)"
same /root/applied
nothing_to_do
reboot`, patient...)
	b := readBlock(t, disk)
	if next := b.get("next_entry"); next != "" {
		t.Errorf("it is tried again: %s", next)
	}
	if got := loader(t, disk); got != oldKernel {
		t.Errorf("%s is booted after that", got)
	}
}
