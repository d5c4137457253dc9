#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A bond of another name and mode, made by an installer, over one port.
. "$(dirname "$0")/lib.sh"
bond_of bond9 active-backup "$(uplink "${pf[0]}")" -- fail_over_mac active
addresses bond9
