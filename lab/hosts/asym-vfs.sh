#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# VFs that udev made at boot, not as many on one port as on the other.
. "$(dirname "$0")/lib.sh"
vfs "${pf[0]}" 5
vfs "${pf[1]}" 1
