// SPDX-License-Identifier: Apache-2.0

package guest

import (
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

// ModulesDir is where the machine has the modules that the lab built.
const ModulesDir = "/lab/modules"

// stage is one step of making the machine ready.
type stage struct {
	name string
	do   func() error
}

func setUp(req *wire.Request, conn *wire.Conn) error {
	shares := stage{"shared directories", func() error { return mountShares(req.Mounts) }}
	stages := []stage{{"host name and loopback", basics}, shares}
	if req.Systemd {
		stages = []stage{shares}
		if !req.Early {
			stages = append(stages, stage{"the boot", awaitBoot})
		}
	}
	if req.InMemory {
		stages = append(stages, stage{"programs in memory", copyToMemory})
	}
	if req.Udev && !req.Systemd {
		stages = append(stages, stage{"udev", startUdev})
	}
	if req.Card != nil && !req.Card.NoLoad && !req.Systemd {
		stages = append(stages,
			stage{"the card", func() error { return loadCard(req.Card) }},
			stage{"the far ends of its ports", func() error { return wirePeer(req.Card, conn.Note) }})
	}
	if req.IGB {
		stages = append(stages, stage{"igb", func() error { return command("modprobe", "-a", "igb", "igbvf") }})
	}
	if req.Netdevsim {
		stages = append(stages, stage{"netdevsim", func() error { return load("netdevsim.ko") }})
	}
	if req.OVS && !req.Systemd {
		stages = append(stages, stage{"Open vSwitch", startOVS})
	}
	for _, s := range stages {
		start := time.Now()
		if err := s.do(); err != nil {
			return fmt.Errorf("set up %s: %w", s.name, err)
		}
		conn.Note(fmt.Sprintf("%s: %.1f s", s.name, time.Since(start).Seconds()))
	}
	return nil
}

// command runs a program of the root; its error has what it wrote.
func command(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func basics() error {
	if err := unix.Sethostname([]byte("lab")); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer func() { _ = unix.Close(s) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

func mountShares(mounts []wire.Mount) error {
	for _, m := range mounts {
		var flags uintptr
		if m.ReadOnly {
			flags = unix.MS_RDONLY
		}
		if err := mountAll([]mount{{m.Tag, m.Path, "9p", shareOptions, flags}}); err != nil {
			return err
		}
	}
	return nil
}

func startUdev() error {
	return errors.Join(
		command("/usr/lib/systemd/systemd-udevd", "--daemon"),
		command("udevadm", "trigger", "--action=add", "--subsystem-match=net", "--subsystem-match=pci"),
		command("udevadm", "settle", "--timeout=30"))
}

// load loads a module of ours after those that it depends on.
func load(name string, params ...string) error {
	path := filepath.Join(ModulesDir, name)
	out, err := exec.Command("modinfo", "-F", "depends", path).Output()
	if err != nil {
		return fmt.Errorf("read what %s depends on: %w", name, err)
	}
	if deps := strings.FieldsFunc(strings.TrimSpace(string(out)), func(r rune) bool { return r == ',' }); len(deps) > 0 {
		if err := command(append([]string{"modprobe", "-a"}, deps...)...); err != nil {
			return err
		}
	}
	return command(append([]string{"insmod", path}, params...)...)
}

// modules that mlx5 calls only if they are there, or that make its offloads reachable.
var cardCompanions = []string{"modprobe", "-a", "tls", "psample", "nf_flow_table", "act_ct", "cls_flower", "vxlan"}

func loadCard(card *wire.Card) error {
	if card.Stock {
		if err := command("modprobe", "mlx5_core"); err != nil {
			return err
		}
	} else {
		if err := command(cardCompanions...); err != nil {
			return err
		}
		if err := Load("mlx5_core.ko"); err != nil {
			return err
		}
	}
	params, err := cardParams(card)
	if err != nil {
		return err
	}
	if err := load("connectx_emu.ko", params...); err != nil {
		return err
	}
	return awaitCard(card.Ports)
}

// cardParams gives the card's parameters under the names that its module has.
func cardParams(card *wire.Card) ([]string, error) {
	out, err := exec.Command("modinfo", "-F", "parm", filepath.Join(ModulesDir, "connectx_emu.ko")).Output()
	if err != nil {
		return nil, fmt.Errorf("read the parameters of the card's module: %w", err)
	}
	has := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(line, ":")
		has[name] = true
	}
	var params []string
	set := func(value uint64, names ...string) {
		for _, n := range names {
			if has[n] {
				params = append(params, fmt.Sprintf("%s=%#x", n, value))
				return
			}
		}
	}
	set(uint64(card.Ports), "ports", "npf")
	set(uint64(card.VFs), "vfs", "totalvfs")
	set(card.Base, "membase")
	set(card.Size, "memsize")
	return append(params, card.Params...), nil
}

// probeTime is how long the driver may take for all physical functions.
const probeTime = 60 * time.Second

// awaitCard waits until the driver has given every port a netdev.
func awaitCard(ports int) error {
	for deadline := time.Now().Add(probeTime); ; time.Sleep(10 * time.Millisecond) {
		found, err := filepath.Glob("/sys/bus/pci/drivers/mlx5_core/*/net/*")
		if err != nil {
			return fmt.Errorf("look for the card's netdevs: %w", err)
		}
		if len(found) >= ports {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("mlx5_core has made %d netdevs of %d within %s; the kernel's last words:\n%s", len(found), ports, probeTime, dmesg(20))
		}
	}
}

func dmesg(lines int) string {
	out, err := exec.Command("dmesg").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("(dmesg: %v)", err)
	}
	all := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// wirePeer puts the far ends of the ports into the namespace "peer", in a bond
// that answers LACP as a switch would.
func wirePeer(card *wire.Card, note func(string)) error {
	var batch strings.Builder
	n := 0
	for i := range card.Ports {
		name := fmt.Sprintf("wire%d", i)
		if _, err := os.Stat("/sys/class/net/" + name); err != nil {
			note(fmt.Sprintf("warning: the card's module made no netdev %s: port %d has no far end", name, i))
			continue
		}
		n++
		fmt.Fprintf(&batch, "link set %s netns peer\n", name)
	}
	if n == 0 {
		return nil
	}
	if err := command("ip", "netns", "add", "peer"); err != nil {
		return err
	}
	if err := ipBatch(batch.String()); err != nil {
		return err
	}
	batch.Reset()
	batch.WriteString("link set lo up\nlink add bond0 type bond mode 802.3ad lacp_rate fast miimon 100 xmit_hash_policy layer3+4\n")
	for i := range card.Ports {
		if _, err := os.Stat(fmt.Sprintf("/sys/class/net/wire%d", i)); err == nil {
			continue
		}
		fmt.Fprintf(&batch, "link set wire%[1]d down\nlink set wire%[1]d master bond0\nlink set wire%[1]d up\n", i)
	}
	batch.WriteString("link set bond0 up\n")
	return ipBatch(batch.String(), "-n", "peer")
}

func ipBatch(commands string, options ...string) error {
	cmd := exec.Command("ip", append(options, "-batch", "-")...)
	cmd.Stdin = strings.NewReader(commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s, for:\n%s", strings.Join(options, " "), err, strings.TrimSpace(string(out)), commands)
	}
	return nil
}

// startOVS starts Open vSwitch with an empty database and waits until
// ovs-vswitchd has taken its first configuration.
func startOVS() error {
	const db = "/etc/openvswitch/conf.db"
	for _, d := range []string{"/run/openvswitch", "/var/log/openvswitch", "/etc/openvswitch"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("make %s: %w", d, err)
		}
	}
	if err := os.Remove(db); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the root's database: %w", err)
	}
	for _, c := range [][]string{
		{"modprobe", "openvswitch"},
		{"ovsdb-tool", "create", db, "/usr/share/openvswitch/vswitch.ovsschema"},
		{
			"ovsdb-server", db, "--remote=punix:/run/openvswitch/db.sock", "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
			"--pidfile", "--detach", "--no-chdir", "--log-file",
		},
		{"ovs-vsctl", "--no-wait", "init"},
		{"ovs-vswitchd", "--pidfile", "--detach", "--no-chdir", "--log-file"},
		// Without --no-wait it returns when ovs-vswitchd has applied it.
		{"ovs-vsctl", "--timeout=60", "set", "Open_vSwitch", ".", "external_ids:hostname=lab", "external_ids:system-id=lab"},
	} {
		if err := command(c...); err != nil {
			return err
		}
	}
	return nil
}
