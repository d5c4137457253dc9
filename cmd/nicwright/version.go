// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// version is what the Go tool recorded of the source this was built from.
func version() string { return versionOf(buildInfo()) }

// buildInfo is nil where the Go tool recorded nothing.
func buildInfo() *debug.BuildInfo {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	return info
}

func versionOf(info *debug.BuildInfo) string {
	if info == nil {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	return cmp.Or(setting(info, "vcs.revision"), "unknown")
}

// versionText is what --version prints: what a bug report needs to name the source,
// and the toolchain whose crypto/tls and runtime are in here.
func versionText(info *debug.BuildInfo) string {
	var b strings.Builder
	fmt.Fprintf(&b, "nicwright %s\n", versionOf(info))
	if info == nil {
		return b.String()
	}
	commit := cmp.Or(setting(info, "vcs.revision"), "not recorded (built from no git repository, or with -buildvcs=false)")
	if setting(info, "vcs.modified") == "true" {
		commit += ", with changes that are in no commit"
	}
	fmt.Fprintf(&b, "commit  %s\n", commit)
	if at, ok := commitTime(info); ok {
		fmt.Fprintf(&b, "of      %s\n", at.Format(time.RFC3339))
	}
	fmt.Fprintf(&b, "go      %s", info.GoVersion)
	if os, arch := setting(info, "GOOS"), setting(info, "GOARCH"); os != "" && arch != "" {
		fmt.Fprintf(&b, " %s/%s", os, arch)
	}
	b.WriteByte('\n')
	return b.String()
}

// commitTime is that of the commit, in UTC.
func commitTime(info *debug.BuildInfo) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, setting(info, "vcs.time"))
	return at.UTC(), err == nil
}

// setting is a value of `go version -m`, "" where there is none.
func setting(info *debug.BuildInfo, key string) string {
	if info == nil {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
