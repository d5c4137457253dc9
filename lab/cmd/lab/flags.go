// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nicwright/nicwright/lab/internal/kernels"
	"github.com/nicwright/nicwright/lab/internal/wire"
)

// flags are those of all verbs; a verb defines those that it has.
type flags struct {
	kernel        string
	noModules     bool
	verbose       bool
	timeLimit     time.Duration
	bootLimit     time.Duration
	memory, cpus  int
	icount        bool
	shares        []string
	env           []string
	card          *wire.Card
	ovs, udev     bool
	netdevsim     bool
	igb, iommu    bool
	bench         bool
	selftests     bool
	fetchTests    bool
	allowWarnings bool
	console       bool
	writable      bool
	systemd       bool
	disk          string
	early         bool
	cardAfter     time.Duration
}

// The standard library's flag is used, and not pflag, which imports net: a
// program with net is linked dynamically wherever cgo is on, and this one is
// process 1 of the machine.
func newFlags(verb, synopsis string, f *flags) *flag.FlagSet {
	fs := flag.NewFlagSet(verb, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {
		fs.SetOutput(os.Stdout)
		fmt.Printf("usage: lab %s %s\n\nflags:\n", verb, synopsis)
		fs.PrintDefaults()
		fs.SetOutput(io.Discard)
	}
	fs.StringVar(&f.kernel, "kernel", kernels.Default, "the kernel's `name`")
	fs.BoolVar(&f.verbose, "v", false, "say what is done, with times, and show what compilers and apt say")
	return fs
}

func machineFlags(fs *flag.FlagSet, f *flags) {
	fs.DurationVar(&f.timeLimit, "time-limit", f.timeLimit, "end the machine after this `time`; 0: never")
	fs.DurationVar(&f.bootLimit, "boot-limit", 2*time.Minute, "try again if the machine is not up after this `time`; 0: wait")
	f.memory = 2048
	fs.Func("mem", "the machine's memory, in `MiB`, or as 4G (default 2G)", func(s string) (err error) {
		f.memory, err = parseMemory(s)
		return err
	})
	fs.IntVar(&f.cpus, "cpus", 2, "the `number` of its processors")
	fs.BoolVar(&f.icount, "icount", false, "count instructions: time in the machine is 4 ns for each, whatever else this host does, but for what is read of a --share while it counts; one processor, and several times slower")
	fs.Func("share", "`DIR[:PATH[:ro]]`: the machine sees DIR at PATH, or else at /lab/share; may be given again", func(s string) error {
		f.shares = append(f.shares, s)
		return nil
	})
	fs.Func("env", "`NAME=VALUE` for the command's environment; may be given again", func(s string) error {
		if !strings.Contains(s, "=") {
			s += "=" + os.Getenv(s)
		}
		f.env = append(f.env, s)
		return nil
	})
	fs.Func("card", "put in the card, as `ports=2,vfs=8`; other names are parameters of its module, load=no leaves it unloaded", func(s string) (err error) {
		f.card, err = parseCard(s)
		return err
	})
	fs.BoolFunc("no-card", "no card, also if --card came before", func(string) error {
		f.card = nil
		return nil
	})
	fs.BoolVar(&f.ovs, "ovs", false, "start Open vSwitch with an empty database")
	fs.BoolVar(&f.netdevsim, "netdevsim", false, "load netdevsim, which makes devices where the machine asks for them")
	fs.BoolVar(&f.igb, "igb", false, "put in QEMU's igb, a stock SR-IOV card with 7 VFs and its stock driver; takes QEMU 8 or newer, which is fetched if need be")
	fs.BoolVar(&f.iommu, "iommu", false, "with --igb: put Intel's IOMMU, as QEMU has it, in front of that; the emulated ConnectX has one of its own")
	fs.BoolVar(&f.bench, "bench", false, "boot from a larger root, with fio, a NFS server and tlshd, which are fetched if need be")
	fs.BoolVar(&f.selftests, "selftests", false, "boot from a larger root, with what the kernel's own self-tests need, which is fetched if need be")
	fs.BoolVar(&f.udev, "udev", false, "run udevd, which renames netdevs as on a real host")
	fs.BoolVar(&f.systemd, "systemd", false, "boot as a host does, from a disk with systemd as process 1; the card is put in by lab-card.service, --ovs starts Debian's units")
	fs.StringVar(&f.disk, "disk", "", "with --systemd: the disk's `FILE`, made if it is not there and kept: the next run boots from it (default: one of this run alone)")
	fs.BoolVar(&f.early, "early", false, "with --systemd: run the command early in the boot, and not when that is through")
	fs.DurationVar(&f.cardAfter, "card-after", 0, "with --systemd: the card appears when the kernel has run for this `time`")
	fs.BoolVar(&f.allowWarnings, "allow-warnings", false, "errors that the kernel reported do not change the status")
	fs.BoolVar(&f.console, "console", false, "show the machine's console on stderr")
}

// parse puts LAB_FLAGS before args and returns what is no flag.
func parse(fs *flag.FlagSet, args []string) ([]string, error) {
	args = append(strings.Fields(os.Getenv("LAB_FLAGS")), args...)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, usageError{err}
	}
	return fs.Args(), nil
}

// checkTogether tells what is wrong with flags that go with others.
func (f *flags) checkTogether() error {
	switch {
	case !f.systemd && (f.disk != "" || f.early || f.cardAfter != 0):
		return usageError{errors.New("--disk, --early and --card-after go with --systemd")}
	case f.iommu && !f.igb:
		return usageError{errors.New("--iommu goes with --igb")}
	case f.systemd && f.bench:
		return usageError{errors.New("--bench and --systemd do not go together: the disk is made of the small root")}
	case f.selftests && (f.bench || f.systemd):
		return usageError{errors.New("--selftests goes neither with --bench nor with --systemd: each has a root of its own")}
	case f.cardAfter < 0 || f.cardAfter%time.Second != 0:
		return usageError{fmt.Errorf("--card-after %s: it is whole seconds", f.cardAfter)}
	case f.cardAfter > 0 && f.card == nil:
		return usageError{errors.New("--card-after goes with --card")}
	}
	return nil
}

// Limits of what mlx5 and the emulated card can do.
const (
	maxPorts = 2
	maxVFs   = 127
)

func parseCard(s string) (*wire.Card, error) {
	card := &wire.Card{Ports: 2, VFs: 8}
	for _, kv := range strings.Split(s, ",") {
		name, value, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not name=value", kv)
		}
		n, err := strconv.Atoi(value)
		switch name {
		case "ports":
			if err != nil || n < 1 || n > maxPorts {
				return nil, fmt.Errorf("ports=%s: it is 1 to %d", value, maxPorts)
			}
			card.Ports = n
		case "vfs":
			if err != nil || n < 0 || n > maxVFs {
				return nil, fmt.Errorf("vfs=%s: it is 0 to %d", value, maxVFs)
			}
			card.VFs = n
		case "load":
			if value != "yes" && value != "no" {
				return nil, fmt.Errorf("load=%s: it is yes or no", value)
			}
			card.NoLoad = value == "no"
		default:
			card.Params = append(card.Params, kv)
		}
	}
	return card, nil
}

// parseMemory returns MiB.
func parseMemory(s string) (int, error) {
	number, unit := strings.TrimRight(s, "gGmM"), 1
	if strings.HasSuffix(strings.ToUpper(s), "G") {
		unit = 1024
	}
	n, err := strconv.Atoi(number)
	if err != nil || n*unit < 256 || n*unit > 1<<20 || len(s)-len(number) > 1 {
		return 0, fmt.Errorf("%s: it is MiB, or as 512M or 4G; 256M at least", s)
	}
	return n * unit, nil
}

// share is a directory of the host's and where the machine sees it.
type share struct {
	host, guest string
	readOnly    bool
}

func parseShare(s string) (share, error) {
	parts := strings.Split(s, ":")
	sh := share{host: parts[0], guest: "/lab/share"}
	if len(parts) > 1 && parts[1] != "" {
		sh.guest = parts[1]
	}
	if len(parts) > 2 {
		if parts[2] != "ro" || len(parts) > 3 {
			return share{}, usageError{fmt.Errorf("--share %s: it is DIR, DIR:PATH or DIR:PATH:ro", s)}
		}
		sh.readOnly = true
	}
	var err error
	if sh.host, err = filepath.Abs(sh.host); err != nil {
		return share{}, fmt.Errorf("find the directory %s: %w", parts[0], err)
	}
	if info, err := os.Stat(sh.host); err != nil || !info.IsDir() {
		return share{}, usageError{fmt.Errorf("--share %s: %s is no directory", s, sh.host)}
	}
	if !filepath.IsAbs(sh.guest) {
		return share{}, usageError{fmt.Errorf("--share %s: the path %s in the machine is not absolute", s, sh.guest)}
	}
	return sh, nil
}
