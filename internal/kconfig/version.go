// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"fmt"
	"regexp"
	"strconv"
)

// Version is the first two numbers of a kernel's release; the zero value is not known.
type Version struct {
	Major int `json:"major"`
	Minor int `json:"minor"`
}

var releasePattern = regexp.MustCompile(`^([0-9]{1,4})\.([0-9]{1,5})(?:[^0-9]|$)`)

// ParseVersion reads a release such as 6.12.0-amd64; what is not understood is
// the zero value.
func ParseVersion(release string) Version {
	m := releasePattern.FindStringSubmatch(release)
	if m == nil {
		return Version{}
	}
	major, _ := strconv.Atoi(m[1]) // digits, by the pattern
	minor, _ := strconv.Atoi(m[2])
	return Version{major, minor}
}

// Known tells whether it is known.
func (v Version) Known() bool { return v != Version{} }

// Before tells whether a version that is known is older than major.minor.
func (v Version) Before(major, minor int) bool {
	return v.Known() && (v.Major < major || v.Major == major && v.Minor < minor)
}

// String is as in 6.12, or "unknown".
func (v Version) String() string {
	if !v.Known() {
		return "unknown"
	}
	return fmt.Sprintf("%d.%d", v.Major, v.Minor)
}
