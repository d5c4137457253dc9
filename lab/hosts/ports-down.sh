#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Booted without a configuration for the ports: they are down.
. "$(dirname "$0")/lib.sh"
for p in "${pf[@]}"; do ip link set "$(uplink "$p")" down; done
