// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// Managers are programs that configure netdevs by themselves, as far as they are
// installed. ifupdown is not among them: it touches no netdev that its files do not name.
type Managers struct {
	NetworkManager bool `json:"networkmanager"`
	Networkd       bool `json:"systemd_networkd"`
	CloudInit      bool `json:"cloud_init"`
}

// FindManagers looks which are installed below root ("/" or "" for this host).
func FindManagers(root string) Managers {
	there := func(paths ...string) bool {
		for _, p := range paths {
			if _, err := os.Stat(filepath.Join("/", root, p)); err == nil {
				return true
			}
		}
		return false
	}
	return Managers{
		NetworkManager: there("/usr/sbin/NetworkManager", "/usr/bin/NetworkManager"),
		Networkd:       there("/usr/lib/systemd/systemd-networkd", "/lib/systemd/systemd-networkd"),
		CloudInit:      there("/usr/bin/cloud-init"),
	}
}

var sharedLibrary = regexp.MustCompile(`/libsystemd-shared-([0-9]+)[^/]*\.so$`)

// SystemdVersion is the version of the systemd below root, by the name of its
// private library; 0 where there is none. It runs nothing and needs no bus, so that
// it also serves an image that is being built.
func SystemdVersion(root string) int {
	newest := 0
	for _, dir := range []string{"/usr/lib/systemd", "/usr/lib/*/systemd", "/usr/lib64/systemd", "/lib/systemd", "/lib/*/systemd"} {
		found, _ := filepath.Glob(filepath.Join("/", root, dir, "libsystemd-shared-*.so")) // the pattern is well formed
		for _, f := range found {
			if m := sharedLibrary.FindStringSubmatch(f); m != nil {
				n, err := strconv.Atoi(m[1])
				if err == nil {
					newest = max(newest, n)
				}
			}
		}
	}
	return newest
}

// dropins tell other managers to leave alone what udevRules marks. NetworkManager
// reads the mark itself (udevRules).
func dropins(o Options) []File {
	var files []File
	if len(o.Ports) > 0 && o.Managers.Networkd {
		files = append(files, File{Path: networkPath, Mode: 0o644, Text: Mark + `
# 70-nicwright.rules marks VFs, representors and uplinks in a bond of the profile.
# A .network file of yours that comes before this one (00- to 04-) has precedence.
[Match]
Property=NICWRIGHT_LEAVE=1

[Link]
Unmanaged=yes
`})
	}
	if o.Managers.CloudInit {
		files = append(files, File{Path: cloudPath, Mode: 0o644, Text: Mark + `
# cloud-init cannot be told to leave single netdevs alone. With this it writes a
# network configuration at an instance's first boot alone, and not when VFs and
# representors appear, or at a boot at which they are there.
updates:
  network:
    when: [boot-new-instance]
`})
	}
	return files
}
