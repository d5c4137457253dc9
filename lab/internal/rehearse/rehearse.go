// SPDX-License-Identifier: Apache-2.0

// Package rehearse boots a kernel of this host in a virtual machine with an emulated
// card, on the host's own root, and has nicwright do there what it does here. Nothing
// of the host is written to but the cache, and the machine has no network but the
// card's own wires.
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
	"runtime"
	"strings"
	"time"

	"github.com/nicwright/nicwright/internal/hostkernel"
	"github.com/nicwright/nicwright/internal/rehearsal"
	"github.com/nicwright/nicwright/lab/internal/cache"
	"github.com/nicwright/nicwright/lab/internal/kernels"
	"github.com/nicwright/nicwright/lab/internal/vm"
	"github.com/nicwright/nicwright/lab/internal/wire"
)

// InsideVerb is the first argument with which the machine's own program does the work.
const InsideVerb = "__inside"

// toolPlace is where the machine has nicwright.
const toolPlace = "/lab/tool"

// defaultMemory is that of a machine, in MiB.
const defaultMemory = 2048

// bootLimit is how long a machine may take until its agent reports.
const bootLimit = 5 * time.Minute

// Run boots the kernel and gives the outcome. What is in Outcome.Refused is no error:
// errors are those of the request itself. log gets a line on what takes long.
func Run(ctx context.Context, r *rehearsal.Request, log func(format string, args ...any)) (*rehearsal.Outcome, error) {
	if r.Version != rehearsal.Version {
		return nil, fmt.Errorf("a request of version %d: this program knows %d; install nicwright and nicwright-rehearse of one version", r.Version, rehearsal.Version)
	}
	start := time.Now()
	if r.Limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Limit)
		defer cancel()
	}
	out := &rehearsal.Outcome{Version: rehearsal.Version, Release: r.Release}
	err := run(ctx, r, out, log)
	out.Seconds = time.Since(start).Seconds()
	if err != nil {
		out.Refused = strings.TrimSpace(err.Error())
	}
	return out, nil
}

func run(ctx context.Context, r *rehearsal.Request, out *rehearsal.Outcome, log func(string, ...any)) (err error) {
	if err := noMachine(exec.LookPath, runtime.GOARCH); err != nil {
		return err
	}
	c, err := cache.Open(r.Cache, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.Keep = 6 // of a kind; a kernel is a kind's member here
	k, err := kernelOf(ctx, c, r)
	if err != nil {
		return err
	}
	out.Release = k.release
	scratch, clean, err := c.Scratch()
	if err != nil {
		return err
	}
	defer clean()
	module, err := card(ctx, c, r.Root, k, scratch, log)
	if err != nil {
		return err
	}
	m := &vm.Machine{Root: r.Root, Modules: []string{module}, Memory: max(r.Memory, vm.MinMemory, defaultMemory), CPUs: max(r.CPUs, 1), BootLimit: bootLimit, AllowWarnings: true}
	if m.Kernel, err = prepare(ctx, k, scratch); err != nil {
		return err
	}
	if m.Scratch = filepath.Join(scratch, "machine"); os.Mkdir(m.Scratch, 0o700) != nil {
		return fmt.Errorf("make the machine's directory %s", m.Scratch)
	}
	if err := enoughMemory("/proc/meminfo", m.Memory); err != nil {
		return err
	}
	m.KVM = usable("/dev/kvm")
	m.Shares = []vm.Share{{Host: r.Tool, Guest: toolPlace, ReadOnly: true}}
	params, ignored, err := cardParams(r.Card, module)
	if err != nil {
		return err
	}
	out.Ignored = ignored
	m.Request = wire.Request{
		// The machine's first process is this program.
		Args: []string{"/proc/1/exe", InsideVerb}, Dir: "/", Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TMPDIR=/tmp"},
		Card: &wire.Card{Ports: r.Card.Ports, VFs: r.Card.VFs, Params: params, Stock: true},
		OVS:  r.OVS && hasOVS(r.Root),
	}
	inside, err := json.Marshal(rehearsal.Inside{Layers: r.Layers, Name: r.Name, Runs: r.Runs, Quick: r.Quick})
	if err != nil {
		return fmt.Errorf("tell the machine what to do: %w", err)
	}
	var answer, said bytes.Buffer
	m.Stdin, m.Stdout, m.Stderr = bytes.NewReader(inside), &answer, &said
	m.Log = func(format string, args ...any) {
		if r.Verbose {
			log(format, args...)
		}
	}
	var kernel strings.Builder
	m.Warn = func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if _, reports, ok := strings.Cut(text, "the machine's kernel reported:"); ok {
			kernel.WriteString(strings.TrimSpace(reports))
			return
		}
		log("%s", text)
	}
	if r.Verbose {
		m.Console = os.Stderr
		m.Stderr = io.MultiWriter(&said, os.Stderr)
	}
	log("booting kernel %s (%s)", k.release, map[bool]string{true: "KVM", false: "no usable /dev/kvm: the processor is emulated, which takes minutes"}[m.KVM])
	status, err := m.Run(ctx)
	out.Kernel, out.KVM = kernel.String(), m.KVM
	if err != nil {
		return fmt.Errorf("kernel %s in the machine: %w", k.release, err)
	}
	got := rehearsal.Outcome{}
	if err := json.Unmarshal(answer.Bytes(), &got); err != nil || status != 0 {
		return fmt.Errorf("kernel %s: %w (status %d): %s", k.release, errNoAnswer, status, strings.TrimSpace(said.String()))
	}
	out.Driver, out.Left, out.Apply, out.Save, out.Baseline = got.Driver, got.Left, got.Apply, got.Save, got.Baseline
	return nil
}

// kernelOf finds the kernel that is asked for.
func kernelOf(ctx context.Context, c *cache.Cache, r *rehearsal.Request) (kernelDir, error) {
	if len(r.Packages) > 0 {
		return unpack(ctx, c, r.Root, r.Packages)
	}
	all, err := hostkernel.Find(r.Root)
	if err != nil {
		return kernelDir{}, err
	}
	for _, k := range all {
		if k.Release == r.Release {
			return kernelDir{release: k.Release, image: k.Image, modules: k.Modules}, nil
		}
	}
	return kernelDir{}, refuse("there is no kernel %s with an image in %s or beside its modules", r.Release, filepath.Join(r.Root, "boot"))
}

// prepare makes the directory from which a kernel is booted.
func prepare(ctx context.Context, k kernelDir, scratch string) (*kernels.Kernel, error) {
	order, err := bootModules(k.modules, k.release)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(scratch, "kernel")
	boot := filepath.Join(dir, "boot")
	tree := filepath.Join(dir, "tree")
	laid := func() error { return os.Mkdir(tree, 0o755) } // the root has its modules
	if k.tree != "" {
		laid = func() error { return os.Symlink(k.tree, tree) }
	}
	if err := errors.Join(os.MkdirAll(boot, 0o755), laid(), os.Symlink(k.image, filepath.Join(dir, "vmlinuz"))); err != nil {
		return nil, fmt.Errorf("prepare kernel %s: %w", k.release, err)
	}
	machine := &kernels.Kernel{Row: kernels.Row{Name: k.release}, Dir: dir, Release: k.release}
	for _, file := range order {
		name, _, _ := strings.Cut(filepath.Base(file), ".ko")
		name += ".ko"
		if err := unpackModule(ctx, filepath.Join(k.modules, file), filepath.Join(boot, name)); err != nil {
			return nil, err
		}
		machine.BootModules = append(machine.BootModules, name)
	}
	return machine, nil
}

// cardParams gives the module's parameters for a card, and the names of those that this
// module does not have.
func cardParams(c rehearsal.Card, module string) (params, ignored []string, err error) {
	text, err := os.ReadFile(module)
	if err != nil {
		return nil, nil, fmt.Errorf("read the parameters of the card's module: %w", err)
	}
	crypto := 0
	if c.Crypto {
		crypto = 1
	}
	for _, p := range []struct{ name, value string }{
		{"cards", fmt.Sprint(max(c.Cards, 1))},
		{"domain", fmt.Sprint(c.Domain)},
		{"busnr", fmt.Sprint(c.Bus)},
		{"crypto", fmt.Sprint(crypto)},
		{"serial", c.Serial},
		{"firmware", c.Firmware},
		{"psid", c.PSID},
	} {
		switch has := bytes.Contains(text, []byte("parmtype="+p.name+":")); {
		case p.value == "":
		case has:
			params = append(params, p.name+"="+p.value)
		default:
			ignored = append(ignored, p.name)
		}
	}
	return params, ignored, nil
}

// hasOVS tells whether the root has Open vSwitch. Debian has a link there, which leads astray outside of its root.
func hasOVS(root string) bool {
	_, err := os.Lstat(filepath.Join(root, "usr/sbin/ovs-vswitchd"))
	return err == nil
}

// usable tells whether the host's processor can run a machine, and we may have it so.
func usable(kvm string) bool {
	f, err := os.OpenFile(kvm, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// spare is what is left to the host beside the machine, in MiB.
const spare = 512

// enoughMemory refuses a machine that would push the host's own work out of its memory.
func enoughMemory(meminfo string, machine int) error {
	text, err := os.ReadFile(meminfo)
	if err != nil {
		return fmt.Errorf("ask how much memory there is: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		var kib int
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			if free := kib / 1024; free < machine+spare {
				return refuse("the machine takes %d MiB, and of this host's memory %d MiB are free: %d are to stay so; make room, or rehearse elsewhere", machine, free, spare)
			}
			return nil
		}
	}
	return nil // a kernel that does not say
}
