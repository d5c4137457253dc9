#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The tests of lag.sh on a card without port selection tables and shared FDB.
export LAG_MODE=affinity
exec "$(dirname "$0")/lag.sh"
