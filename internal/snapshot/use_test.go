// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/rtlink"
)

// process makes a process in a proc(5) of files.
func process(t *testing.T, proc procFS, pid, comm, cmdline string, fds ...string) {
	t.Helper()
	dir := filepath.Join(string(proc), pid)
	for _, d := range []string{"fd", "ns"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"comm": comm + "\n", "cmdline": strings.ReplaceAll(cmdline, " ", "\x00")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("net:["+pid+"]", filepath.Join(dir, "ns/net")); err != nil {
		t.Fatal(err)
	}
	for n, fd := range fds {
		if err := os.Symlink(fd, filepath.Join(dir, "fd", string(rune('0'+n)))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhoHoldsADeviceOverVFIO(t *testing.T) {
	proc := procFS(t.TempDir())
	process(t, proc, "100", "qemu-system-x86", "/usr/bin/qemu-system-x86_64 -name guest=web1,debug-threads=on -S", "/dev/null", "/dev/vfio/vfio", "/dev/vfio/12")
	process(t, proc, "200", "dpdk-testpmd", "dpdk-testpmd -a 0000:3b:00.3", "/dev/vfio/devices/vfio3", "/dev/vfio/13", "/dev/vfio/13")
	process(t, proc, "300", "bash", "bash", "/dev/pts/0")
	if err := os.MkdirAll(filepath.Join(string(proc), "sys"), 0o755); err != nil {
		t.Fatal(err)
	}
	var web, dpdk, none []Holder
	held := map[string][]*[]Holder{"12": {&web}, "13": {&dpdk}, "devices/vfio3": {&dpdk}, "14": {&none}}
	namespaces, err := proc.scan(true, held)
	if err != nil {
		t.Fatal(err)
	}
	if len(web) != 1 || web[0].String() != "the virtual machine web1, process 100 (qemu-system-x86)" {
		t.Errorf("12 is held by %v", web)
	}
	if len(dpdk) != 1 || dpdk[0].String() != "process 200 (dpdk-testpmd)" {
		t.Errorf("13 is held by %v", dpdk)
	}
	if none != nil {
		t.Errorf("14 is held by %v", none)
	}
	if len(namespaces) != 3 || namespaces["net:[200]"] != proc.path(200, "ns/net") {
		t.Errorf("the namespaces are %v", namespaces)
	}
	if got := nameOf("net:[200]", proc.path(200, "ns/net"), map[string]string{"net:[1]": "pod1"}); got != "the network namespace of process 200 (dpdk-testpmd)" {
		t.Errorf("it is called %q", got)
	}
	if got := nameOf("net:[1]", "", map[string]string{"net:[1]": "pod1"}); got != "the network namespace pod1" {
		t.Errorf("it is called %q", got)
	}
}

func TestTheNameOfAGuest(t *testing.T) {
	for cmdline, want := range map[string]string{
		"qemu-system-x86_64 -name guest=web1,debug-threads=on -m 1": "web1",
		"/usr/bin/kvm -id 100 -name vm100,debug-threads=on":         "vm100",
		"qemu-kvm -name process=x,guest=y":                          "y",
		"qemu-system-x86_64 -m 1":                                   "",
		"qemu-system-x86_64 -name":                                  "",
		"bash -name guest=no":                                       "",
		"":                                                          "",
	} {
		if got := guestName(strings.Split(cmdline, " ")); got != want {
			t.Errorf("%q is %q, want %q", cmdline, got, want)
		}
	}
}

func TestPortsOfTheSwitchAreItsOwn(t *testing.T) {
	s := Snapshot{Links: []rtlink.Link{
		{Index: 1, Kind: "openvswitch"},
		{Index: 2, Kind: "bond", Master: 1},
		{Index: 3, Master: 2},
		{Index: 4, Master: 1},
		{Index: 5, Kind: "bridge"},
		{Index: 6, Master: 5},
		{Index: 7},
	}}
	if d := cmp.Diff(map[int]bool{2: true, 3: true, 4: true}, s.switchPorts()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func filter(kind string, flags uint32) []byte {
	m := (&nl.TcMsg{Info: 49152<<16 | 8}).Serialize()
	m = append(m, nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated(kind)).Serialize()...)
	options := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
	options.AddRtAttr(tcaFlowerFlags, binary.NativeEndian.AppendUint32(nil, flags))
	return append(m, options.Serialize()...)
}

func TestRulesInHardware(t *testing.T) {
	for name, c := range map[string]struct {
		message []byte
		want    bool
	}{
		"flower in hardware": {filter("flower", tcaInHW|2), true},
		"flower in software": {filter("flower", 1|8), false},
		"matchall":           {filter("matchall", tcaInHW), false},
	} {
		kind, pref, inHW, err := parseFilter(c.message)
		if err != nil || inHW != c.want || pref != 49152 || kind == "" {
			t.Errorf("%s: %s %d %v, %v", name, kind, pref, inHW, err)
		}
	}
	if _, _, _, err := parseFilter(make([]byte, unix.SizeofNlMsghdr)); err == nil {
		t.Error("a short message is a rule")
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add(filter("flower", tcaInHW))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _, _, _ = parseFilter(b) })
}

func offloadDev(index uint32) []byte {
	return nl.NewRtAttr(nl.XFRMA_OFFLOAD_DEV, append(binary.NativeEndian.AppendUint32(nil, index), 0, 0, 0, 0)).Serialize()
}

func TestWhereATransformIsDone(t *testing.T) {
	head := make([]byte, nl.SizeofXfrmUsersaInfo)
	for name, c := range map[string]struct {
		m    []byte
		want int
	}{
		"in a card":      {append(head[:len(head):len(head)], offloadDev(7)...), 7},
		"in the kernel":  {head, 0},
		"short":          {head[:20], 0},
		"short within":   {append(head[:len(head):len(head)], nl.NewRtAttr(nl.XFRMA_OFFLOAD_DEV, []byte{1}).Serialize()...), 0},
		"an odd message": {append(head[:len(head):len(head)], 1, 0), 0},
	} {
		if got := offloadedTo(c.m, nl.SizeofXfrmUsersaInfo); got != c.want {
			t.Errorf("%s: netdev %d", name, got)
		}
	}
}

func FuzzOffloadedTo(f *testing.F) {
	f.Add(append(make([]byte, nl.SizeofXfrmUsersaInfo), offloadDev(7)...))
	f.Fuzz(func(_ *testing.T, b []byte) { offloadedTo(b, nl.SizeofXfrmUsersaInfo) })
}
