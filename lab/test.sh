#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs all that needs the lab: the tests of its runner, every package with a test that asks for it, and the emulated
# card's own tests. Each has a machine of its own, and some run at a time. A test that is skipped here counts as failed,
# for it would run nowhere.
#
#   test.sh LAB BIN     LAB: the lab runner; BIN: the directory with nicwright
#   test.sh LAB BIN KERNEL...   only the card's own tests, on each of the kernels, and those of kernel TLS on other kernels than the default
#   test.sh LAB BIN hosts      only the lived-in hosts of lab/hosts, all of them with all their profiles
#   test.sh LAB BIN faults     only the faults from below, all of them
#   test.sh LAB BIN bench      only those of nicwright bench, all of them
#   test.sh LAB BIN kselftest KERNEL...   only the kernel's own self-tests that lab/kselftest knows, on each of the kernels
#   test.sh LAB BIN compare    only whether a slower card is found, by a machine whose time is its instructions
#   LAB_KEEP=DIR        kselftest: what the tests said is kept in DIR/selftests
#   LAB_JOBS=1          how many run at a time; by default one more than there are processors, for machines wait as well
set -uo pipefail
lab=$(realpath "$1") bin=$(realpath "$2")
shift 2
cd "$(dirname "$0")/.." || exit
export NICWRIGHT_LAB=1 CGO_ENABLED=0
jobs=${LAB_JOBS:-$(($(nproc) + 1))}
logs=$(mktemp -d)
set -m # jobs are process groups, so that none outlives this script
trap 'for p in $(jobs -p); do kill -- "-$p"; done 2>/dev/null; rm -rf "$logs"' EXIT
trap 'exit 130' INT TERM HUP

# run NAME COMMAND...: says how it ended and how long it took, and keeps what it said if it failed. QEMU's translator now and then
# runs a breakpoint that the kernel has already taken back while it patches its own code ("Oops: int3"): that is tried again.
run() {
	local name=$1 start=$SECONDS log=$logs/${1//\//_} why= try
	shift
	for try in 1 2 3; do
		why=
		"$@" >"$log" 2>&1 </dev/null || why="status $?"
		[ -n "$why" ] && grep -q 'Oops: int3' "$log" || break
		printf 'QEMU  %s: int3 in patched code, try %d\n' "$name" "$try"
	done
	grep -q '^ *--- SKIP' "$log" && why+="${why:+, }skipped tests"
	[ -z "$why" ] && printf 'ok   %4d s  %s\n' $((SECONDS - start)) "$name" && return
	touch "$logs/failed"
	printf 'FAIL %4d s  %s: %s\n' $((SECONDS - start)) "$name" "$why"
	{ printf '\n== %s: %s\n' "$name" "$why"; cat "$log"; } >"$log.failed"
}

# later NAME COMMAND...: the same in the background, when there is room
later() {
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
	run "$@" &
}

# gotest PACKAGE KERNEL [FLAGS]: in a machine with all that tests ask for; KERNEL "" is the default
gotest() {
	local card=${CARD:-"--card ports=2,vfs=8 --ovs --netdevsim"}
	[ "$1" = provision/bench/nfs ] && card+=" --bench" # fio, and tlshd
	[ "$1" = crypto/ktls ] && card=--no-card # it takes TLS out of the kernel, which the card's driver holds
	# One processor each: with more of them than the host has, they wait for one another's locks and interrupts (1.7 times as long, three machines on two).
	local where=(-exec "$lab exec ${2:+--kernel $2} $card --cpus 1 --time-limit ${limit:-40m} --share $bin")
	[ "$1" = lab/cmd/lab ] && where=() # it boots machines itself
	# What is pure logic has been tested on the host, where it takes seconds and not minutes; make test-boot has the third.
	go test -count=1 -v -timeout 40m -skip '^(TestDiff|TestRandomWalk|TestSystemdOnADiskThatSurvives)$' "${where[@]}" "${@:3}" "./$1"
}

# the card's tests load the modules themselves, each with the parameters that it is about; the last word of one that passed is PASS. $programs has vfiotest
programs=$logs/bin
mkdir "$programs" && go build -trimpath -o "$programs/vfiotest" ./lab/connectx/vfiotest || exit
cardtest() {
	"$lab" run --kernel "$2" --card ports=2,vfs=8,load=no --time-limit 10m --share lab/connectx/tests --share "$programs:/lab/bin:ro" -- "/lab/share/$1.sh" |
		tee /dev/stderr | tail -n 1 | grep -qx PASS
}

# cardtests KERNEL [ONLY...]
cardtests() {
	local kernel=$1 script name
	shift
	for script in lab/connectx/tests/*.sh; do
		name=$(basename "$script" .sh)
		[[ -x "$script" && ($# -eq 0 || " $* " == *" $name "*) ]] && later "card, $kernel: $name" cardtest "$name" "$kernel" # the others are libraries
	done
}

# selftest KERNEL MACHINE LIMIT FLAGS...: the tests of that machine in lab/kselftest's table; what they say is judged when all are through
selftest() {
	local out=$logs/selftests/$1/$2 status
	rm -rf "$out" && mkdir -p "$out"
	"$lab" run --selftests --kernel "$1" --card ports=2,vfs=4,load=no --time-limit "$3" "${@:4}" --share lab/connectx/tests:/lab/tests:ro \
		--share "$logs/selftests/$1:/lab/kselftest:ro" --share "$programs:/lab/bin:ro" --share "$out:/lab/out" -- \
		/lab/bin/kselftest run "$2" "$1" /lab/kselftest/prepared.tar /lab/out
	status=$?
	echo $status >"$out/status"
	[ $status != 124 ] || echo "the machine was killed at its limit of $3"
	return $status
}

beyond='TestJournalFaults|TestWatchLosesEvents|TestInterruptedDumps' # only with faults
storm=TestVFLeaseStorm # only with faults
stuck=TestADriverThatNeverComesBack # its machine is of no use after it
speed=TestCompareSpeed # only with compare
benches='TestBenchHTTPSAgreesWithWrk|TestBenchHTTPSSaysWhoIsInTheWay|TestBenchHTTPSKilled' # only with bench

if [ "${1:-}" = hosts ]; then
	shift
	export NICWRIGHT_HOSTS=${NICWRIGHT_HOSTS:-all}
	limit=90m
	for part in 1/3 2/3 3/3; do
		NICWRIGHT_HOSTS_PART=$part later "lived-in hosts, part $part" gotest cmd/nicwright "" -timeout 90m -run TestLivedIn
	done
	CARD="--card ports=2,vfs=4,cards=2 --ovs" later "lived-in hosts, two cards" gotest cmd/nicwright "" -run TestTwoCards
elif [ "${1:-}" = faults ]; then
	shift
	export NICWRIGHT_FAULTS=${NICWRIGHT_FAULTS:-each}
	limit=4h
	for part in 1/3 2/3 3/3; do
		NICWRIGHT_FAULTS_PART=$part later "faults, part $part" gotest cmd/nicwright "" -timeout 4h -run '^TestFaults$'
	done
	later "a driver that never comes back" gotest cmd/nicwright "" -run "^$stuck$"
	later "leases by fifty callers, with kills" gotest cmd/nicwright "" -run "^$storm$"
	later "faults of Open vSwitch's daemons" gotest cmd/nicwright "" -run '^TestOpenVSwitchFaults$'
	later "faults of the journal's disk, and lost events" gotest cmd/nicwright "" -run "^($beyond)$"
elif [ "${1:-}" = bench ]; then
	shift
	jobs=${LAB_JOBS:-1} # who else computes is among what is measured
	later "cmd/nicwright, benches" gotest cmd/nicwright "" -run TestBench
	for bench in ipsec nfs; do later "provision/bench/$bench" gotest "provision/bench/$bench" ""; done
elif [ "${1:-}" = kselftest ]; then
	shift
	selftests=$*
	set --
	jobs=${LAB_JOBS:-$(nproc)} # they go by the clock
	go build -trimpath -o "$programs/kselftest" ./lab/kselftest/cmd/kselftest || exit
	for kernel in $selftests; do
		mkdir -p "$logs/selftests/$kernel"
		parts=$("$lab" build --selftests --kernel "$kernel") && "$programs/kselftest" prepare "$kernel" "$(sed -n 's/^larger *//p' <<<"$parts")" \
			"$(sed -n 's/^tests *//p' <<<"$parts")" "$logs/selftests/$kernel" 2>"$logs/prepare" || { cat "$logs/prepare"; exit 1; }
		while read -r machine limit flags; do
			later "kernel self-tests, $kernel: $machine" selftest "$kernel" "$machine" "$limit" $flags
		done < <("$programs/kselftest" machines "$kernel")
	done
	wait
	for kernel in $selftests; do "$programs/kselftest" judge "$kernel" "$logs/selftests/$kernel" || touch "$logs/failed"; done
	[ -z "${LAB_KEEP:-}" ] || cp -r "$logs/selftests" "$LAB_KEEP"
elif [ "${1:-}" = compare ]; then
	shift
	CARD="--icount --boot-limit 5m --card ports=2,vfs=8 --ovs" limit=3h later "cmd/nicwright, TestCompareSpeed" gotest cmd/nicwright "" -timeout 3h -run '^TestCompareSpeed$'
elif [ $# = 0 ]; then
	# what takes longest goes first
	packages=$(grep -rlE --include='*_test.go' 'NICWRIGHT_LAB|lab/vflab' -- * | xargs -n1 dirname | sort -u)
	for part in 1/2 2/2; do
		NICWRIGHT_HOSTS_PART=$part later "cmd/nicwright, TestLivedIn, part $part" gotest cmd/nicwright "" -run TestLivedIn
	done
	parts=(TestKilled 'TestFaults|TestOpenVSwitchFaults' 'TestVFLease($|In|At)|TestBridge' TestVerify 'TestVMHost|TestTLSServer|TestFlows' TestDoctor TestBench 'TestAddresses|TestVLANs|TestParams|TestMultiport')
	for part in "${parts[@]}"; do later "cmd/nicwright, $part" gotest cmd/nicwright "" -run "$part" -skip "$benches"; done
	later "cmd/nicwright, the rest" gotest cmd/nicwright "" -skip "$(IFS='|' && echo "${parts[*]}|TestLivedIn|TestTwoCards|$beyond|$benches|$speed|$storm|$stuck")"
	CARD="--card ports=2,vfs=4,cards=2 --ovs" later "cmd/nicwright, TestTwoCards" gotest cmd/nicwright "" -run TestTwoCards
	for package in $(grep -vxE 'cmd/nicwright|provision/bench/.*' <<<"$packages"); do later "$package" gotest "$package" ""; done
	cardtests 6.12 legacy functions tls-tx vfio # of different kinds; make test-connectx has them all
fi
for kernel in "$@"; do
	[ "$kernel" = 6.12 ] || later "crypto/ktls, $kernel" gotest crypto/ktls "$kernel" # 7.3 can change keys
	cardtests "$kernel"
done
wait
printf '%d s in all\n' $SECONDS
[ ! -e "$logs/failed" ] || { cat "$logs"/*.failed 2>/dev/null; exit 1; }
