// SPDX-License-Identifier: Apache-2.0

// Package boot has the tests of what nicwright promises for a host that boots: they run
// lab machines with systemd as process 1 on disks that survive, reboot them and cut them
// off. `make test-boot` runs them; a boot takes a minute or two.
package boot
