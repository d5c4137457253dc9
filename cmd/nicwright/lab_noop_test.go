// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reads are the netlink requests that change nothing, by family: whatever else is sent is a write. The commands are
// DEVLINK_CMD_GET, _PORT_GET, _ESWITCH_GET, _PARAM_GET, _INFO_GET, _RATE_GET (linux/devlink.h) and ETHTOOL_MSG_STRSET_GET,
// _FEATURES_GET, _PRIVFLAGS_GET, _RINGS_GET, _CHANNELS_GET, _COALESCE_GET, _PAUSE_GET, _FEC_GET (linux/ethtool_netlink.h), as strace prints them.
var reads = map[string]*regexp.Regexp{
	"nlctrl":      regexp.MustCompile(`cmd=CTRL_CMD_GETFAMILY\b`),
	"devlink":     regexp.MustCompile(`cmd=(0x1|0x5|0x1d|0x26|0x33|0x4a)\b`),
	"ethtool":     regexp.MustCompile(`cmd=(0x1|0xb|0xd|0xf|0x11|0x13|0x15|0x1d)\b`),
	"RTM_GETLINK": regexp.MustCompile(``), "RTM_GETADDR": regexp.MustCompile(``), "RTM_GETROUTE": regexp.MustCompile(``), "RTM_GETNEIGH": regexp.MustCompile(``),
	"RTM_GETNEXTHOP": regexp.MustCompile(``), "RTM_GETQDISC": regexp.MustCompile(``), "RTM_GETTFILTER": regexp.MustCompile(``), "RTM_GETRULE": regexp.MustCompile(``),
	"RTM_GETTCLASS": regexp.MustCompile(``), "XFRM_MSG_GETSA": regexp.MustCompile(``), "XFRM_MSG_GETPOLICY": regexp.MustCompile(``),
}

var (
	netlinkType  = regexp.MustCompile(`nlmsg_type=(\w+)`)
	openForWrite = regexp.MustCompile(`open(at)?\(.*"/(sys|proc)/.*O_(WRONLY|RDWR)`)
	// Operations of RFC 7047 other than select.
	databaseWrite = regexp.MustCompile(`\\"op\\":\\"(insert|update|mutate|delete|wait|commit|abort|assert|comment)\\"`)
	writeIoctl    = regexp.MustCompile(`ioctl\(.*(ETHTOOL_S|SIOCS|SIOCBOND)`)
)

// testNoOpWritesNothing has the kernel's view of a second apply: no netlink, sysfs, ioctl or OVSDB write, and no file
// of nicwright's but its lock.
func testNoOpWritesNothing(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	out := witness(t, "strace", "-f", "-s", "65536", "-x", "-e", "signal=none", "-e", "trace=openat,open,rename,renameat,renameat2,sendto,sendmsg,sendmmsg,ioctl,write,writev,pwrite64,connect",
		"-o", trace, "nicwright", "apply", "-p", "vm-host")
	if !strings.Contains(out, "nothing to do") {
		t.Fatalf("the second apply printed:\n%s", out)
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(b)) {
		if m := netlinkType.FindStringSubmatch(line); m != nil {
			seen[m[1]]++
			if ok := reads[m[1]]; ok == nil || !ok.MatchString(line) {
				t.Errorf("netlink write: %.300s", line)
			}
		}
		switch {
		case openForWrite.MatchString(line), strings.Contains(line, "rename"):
			t.Errorf("a file written: %.300s", line)
		case writeIoctl.MatchString(line):
			t.Errorf("ioctl write: %.300s", line)
		case strings.Contains(line, `\"transact\"`):
			seen["OVSDB"]++
			if databaseWrite.MatchString(line) {
				t.Errorf("OVSDB write: %.300s", line)
			}
		}
	}
	for _, what := range []string{"RTM_GETLINK", "devlink", "ethtool", "OVSDB"} {
		if seen[what] == 0 {
			t.Errorf("strace saw no request to %s: the trace proves nothing (it saw %v)", what, seen)
		}
	}
}
