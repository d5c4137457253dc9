// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionText(t *testing.T) {
	build := func(version string, pairs ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: version}}
		for i := 0; i < len(pairs); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return info
	}
	for _, tt := range []struct {
		name, want string
		info       *debug.BuildInfo
	}{
		{
			"a tag", "nicwright v1.2.3\ncommit  0123abc\nof      2026-11-28T02:55:12Z\ngo      go1.26.8 linux/arm64\n",
			build("v1.2.3", "vcs.revision", "0123abc", "vcs.time", "2026-11-28T03:55:12+01:00", "vcs.modified", "false", "GOOS", "linux", "GOARCH", "arm64"),
		},
		{
			"an edited tree", "nicwright 0123abc\ncommit  0123abc, with changes that are in no commit\ngo      go1.26.8\n",
			build("(devel)", "vcs.revision", "0123abc", "vcs.modified", "true"),
		},
		{
			"go install MODULE@VERSION", "nicwright v1.2.3\ncommit  not recorded (built from no git repository, or with -buildvcs=false)\ngo      go1.26.8\n",
			build("v1.2.3"),
		},
		{"-buildvcs=false", "nicwright unknown\ncommit  not recorded (built from no git repository, or with -buildvcs=false)\ngo      go1.26.8\n", build("(devel)")},
		{"no build information", "nicwright unknown\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := versionText(tt.info); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestVersionFlag(t *testing.T) {
	root := newRoot()
	var b bytes.Buffer
	root.SetOut(&b)
	root.SetArgs([]string{"--version"})
	err := root.ExecuteContext(t.Context())
	out := b.String()
	if err != nil || !strings.HasPrefix(out, "nicwright ") || !strings.Contains(out, "\ncommit  ") || !strings.Contains(out, "\ngo      "+runtime.Version()) {
		t.Errorf("%v\n%s", err, out)
	}
}
