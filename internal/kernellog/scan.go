// SPDX-License-Identifier: Apache-2.0

// Package kernellog reads the kernel's log, and tells the kernel's reports of its own errors (oops, BUG,
// WARNING, lockdep and the like) from the rest.
package kernellog

import "regexp"

// begins matches the first line of a report that is a bug.
var begins = regexp.MustCompile(`^(?:\[[^\]]*\] ?)?(?:` +
	`WARNING: (?:CPU|possible|suspicious|inconsistent|bad|lock|held|Nested|at |.*\.c:\d+)` +
	`|BUG: |kernel BUG at|Oops[: ]|general protection fault|stack segment|double fault` +
	`|Unable to handle kernel|Kernel panic|refcount_t: |UBSAN: |KASAN: |KFENCE: ` +
	`|list_(?:add|del) corruption|INFO: task .* blocked for more|INFO: possible|INFO: trying to register non-static key` +
	`|watchdog: BUG|unregister_netdevice: waiting for|sysctl duplicate|kobject_add_internal failed` +
	`|.*scheduling while atomic|.*sleeping function called from invalid` +
	`|Bad page (?:state|map)|BUG (?:kmalloc|[a-z_]+) )`)

// ends matches the last line of a report.
var ends = regexp.MustCompile(`---\[ end `)

// reportLines is how many lines are taken to belong to a report at most.
const reportLines = 60

// Scanner goes through a log line by line. The zero value is ready.
type Scanner struct{ left int }

// Begins tells whether the line is the first of a report of a bug.
func Begins(line string) bool { return begins.MatchString(line) }

// Line tells whether the line belongs to the report of a bug.
func (s *Scanner) Line(line string) bool {
	switch {
	case Begins(line):
		s.left = reportLines
		return true
	case s.left > 0:
		s.left--
		if ends.MatchString(line) {
			s.left = 0
		}
		return true
	}
	return false
}
