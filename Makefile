# SPDX-License-Identifier: Apache-2.0
# Everything runs on a fresh Debian 12 or 13 machine with Go and root; the lab installs what it needs.

BIN      := bin
PREFIX   ?= /usr/local
CACHE    := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/nicwright
LAB      := $(BIN)/lab
CARD     := --card ports=2,vfs=64
GOTEST   := go test
KERNELS  := 6.1 6.12 7.3

export CGO_ENABLED := 0

.PHONY: all build lab demo demo-bench test test-unit test-lab test-hosts test-faults test-bench test-compare test-formats test-connectx test-kernels test-kselftest test-boot test-rehearse kernels-table test-machine soak lint fuzz bench bench-lease bench-seed install man packages packages-check packages-rehearse clean

all: build

build:
	go build -trimpath -ldflags='-s -w' -o $(BIN)/nicwright ./cmd/nicwright
	go build -trimpath -ldflags='-s -w' -o $(BIN)/nicwright-rehearse ./lab/cmd/nicwright-rehearse

# The lab: a Debian root, kernels, the emulated card and the driver, in $(CACHE).
lab:
	go build -o $(LAB) ./lab/cmd/lab
	$(LAB) build

# Compiling nicwright and fetching Debian do not wait for one another. DEMO_FLAGS=--tls-off: with the offload off, so that verify has to say software and exit 3.
demo:
	$(MAKE) -j2 build lab
	$(LAB) run $(CARD) --ovs --time-limit 20m --share $(CURDIR) -- /lab/share/lab/demo.sh $(DEMO_FLAGS)

# Is it worth it: a quick bench between two VFs, its charts (bin/demo-bench), advice; within a quarter of an hour (make test has the paths of it).
demo-bench:
	$(MAKE) -j2 build lab
	$(LAB) run $(CARD) --ovs --cpus 1 --mem 4096 --time-limit 15m --share $(CURDIR) -- /lab/share/lab/demo-bench.sh

test: test-unit test-lab

test-unit:
	$(GOTEST) ./...

test-lab:
	$(MAKE) -j2 build lab
	lab/test.sh $(LAB) $(BIN)

# Every profile on every lived-in host of lab/hosts (test has one of each kind); NICWRIGHT_HOSTS=vmbr,team: on some.
test-hosts: build lab
	go build -trimpath -o $(BIN)/witness ./lab/hosts/cmd/witness
	lab/test.sh $(LAB) $(BIN) hosts

# Each command of the card and each call of the kernel that an apply makes fails once, Open vSwitch's daemons stop and are killed, the
# journal's disk is full or read-only, events are lost, and leases are asked for by fifty callers with kills (test has one of each kind, but for these callers). NICWRIGHT_FAULTS=all: with every errno, or a regular expression of
# the faults' names. An hour or two.
test-faults: build lab
	lab/test.sh $(LAB) $(BIN) faults

# What nicwright bench says, against wrk, fio and iperf3, with kills, neighbours and an NFS server (test has its paths).
test-bench: build lab
	lab/test.sh $(LAB) $(BIN) bench

# What nicwright vf lease --format writes, read by libvirt's schemas and by QEMU.
test-formats:
	lab/formats.sh

# Whether nicwright compare finds a card that is 30% slower, five times, and nothing where it is not: counted in instructions (make test has all else of it).
test-compare: build lab
	lab/test.sh $(LAB) $(BIN) compare

# The emulated card's own tests, with stock tools only: on the default kernel (test has four of them, of different kinds), and on all.
test-connectx: lab
	lab/test.sh $(LAB) $(BIN) 6.12

test-kernels: lab
	for k in $(KERNELS); do $(LAB) build --kernel $$k || exit; done
	lab/test.sh $(LAB) $(BIN) $(KERNELS)
	NICWRIGHT_KERNELS=1 $(GOTEST) -count=1 -timeout 30m ./lab/connectx/tests
	NICWRIGHT_LAB=1 NICWRIGHT_KERNELS=1 $(GOTEST) -count=1 -timeout 30m -run TestNetdevsim ./lab/cmd/lab

# The kernel's own network self-tests on the emulated card, straight from Debian's source package of the kernel; half an hour. KERNELS="6.12 7.3": of
# those, LAB_KEEP=DIR: what they said is kept there.
test-kselftest: KERNELS := 6.12
test-kselftest: lab
	lab/test.sh $(LAB) $(BIN) kselftest $(KERNELS)

# Reboots, restarts, late cards, kills and power cuts, on machines with systemd as process 1 and a disk that survives. A boot
# takes a minute or two. NICWRIGHT_REBOOTS=5 and NICWRIGHT_CUTS=30 do more of them; each run prints the seed of its cuts.
test-boot: lab
	NICWRIGHT_LAB=1 $(GOTEST) -count=1 -v -timeout 1h -run TestSystemdOnADiskThatSurvives ./lab/cmd/lab
	NICWRIGHT_BOOT=1 $(GOTEST) -count=1 -v -timeout 6h ./lab/boot

# Kernels rehearsed for a host that is made of the lab's: five boots, and the emulated card built for two kernels; half an hour.
test-rehearse:
	NICWRIGHT_BOOT=1 $(GOTEST) -count=1 -v -timeout 3h ./lab/cmd/nicwright-rehearse

# A machine in the lab's machine gets a VF by vfio-pci: three minutes on a quiet host, all of it emulated twice.
test-machine: build lab
	NICWRIGHT_MACHINE=1 $(GOTEST) -count=1 -v -timeout 70m ./lab/machine

# What works on which kernel: recorded anew on each of the lab's kernels, and written to docs/kernels.md.
kernels-table: build lab
	lab/kernels-table.sh $(LAB) $(BIN) $(KERNELS)
	NICWRIGHT_UPDATE=1 go test -count=1 -run 'TestKernels' ./provision/compare

# A thousand runs of the quick matrix leave the machine as it was; make test does three.
soak: build lab
	NICWRIGHT_LAB=1 go test -count=1 -v -timeout 3h -run TestVerifyLeavesNoTrace \
		-exec '$(CURDIR)/$(LAB) exec $(CARD) --ovs --time-limit 3h --env NICWRIGHT_RUNS=1000 --share $(CURDIR)/$(BIN)' ./cmd/nicwright

lint:
	go vet ./...
	go tool -modfile=tools/golangci-lint.mod golangci-lint run ./...
	go tool -modfile=tools/gofumpt.mod gofumpt -l -d .

fuzz:
	lab/fuzz.sh

bench: build lab
	go build -trimpath -ldflags='-s -w' -o $(BIN)/ktls-bench ./lab/bench/ktls
	$(LAB) run --card ports=2,vfs=127 --ovs --icount --mem 6144 --boot-limit 5m --time-limit 2h --share $(CURDIR) -- /lab/share/lab/bench/bench.sh
	$(LAB) run --card ports=2,vfs=2 --icount --mem 4096 --boot-limit 5m --time-limit 1h --share $(CURDIR)/lab/bench -- /lab/share/throughput.sh
	$(LAB) run --card ports=1,vfs=2 --icount --boot-limit 5m --time-limit 1h --share $(CURDIR) -- /lab/share/lab/bench/ktls.sh
	$(LAB) run $(CARD) --ovs --cpus 1 --mem 4096 --time-limit 1h --share $(CURDIR) -- /lab/share/lab/bench/watch.sh

# What a lease of a VF costs: user, kernel and clock, in the lab's machine with one processor.
bench-lease: build lab
	$(LAB) run --card ports=2,vfs=8 --ovs --cpus 1 --mem 3G --time-limit 30m --share $(CURDIR) -- /lab/share/lab/bench/lease.sh

# The shape of the measurement that this project began with, by our own bench: a card that is slow to make keys, a server that is held back. The run
# is in $(BIN)/seed/run.ndjson; docs/measurements has one. A quarter of an hour, or half of one: what else the host does changes that, and no figure.
bench-seed: build lab
	$(LAB) run --card ports=2,vfs=2 --icount --mem 4096 --boot-limit 8m --time-limit 2h --share $(CURDIR) -- /lab/share/lab/bench/seed-shape.sh
	NICWRIGHT_RUN=$(CURDIR)/$(BIN)/seed/run.ndjson $(GOTEST) -count=1 -v -run 'SeedsShape|LossIsMeasured' ./provision/bench/advice
	$(BIN)/nicwright bench chart $(BIN)/seed/run.ndjson --out $(BIN)/seed

# A page a verb, dated by the commit: two builds of it are equal.
man: build
	rm -rf $(BIN)/man1
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} $(BIN)/nicwright man $(BIN)/man1

# A deb, an rpm and an SBOM in $(BIN)/packages, of the commit that is checked out; their version is git's (packaging/version.sh).
packages:
	packaging/build.sh $(BIN)/packages

# Two builds in two directories are equal, lintian has nothing to say, a removal leaves nothing.
packages-check:
	packaging/check.sh

# A kernel rehearsed from the packages alone, in roots of Debian 12 and 13: half an hour, an hour without KVM.
packages-rehearse: packages
	for s in bookworm trixie; do packaging/check-rehearse.sh $$s $(BIN)/packages/nicwright_*.deb $(BIN)/packages/nicwright-rehearse_*.deb || exit; done

install: build
	install -D -m 0755 $(BIN)/nicwright $(DESTDIR)$(PREFIX)/bin/nicwright
	install -D -m 0755 $(BIN)/nicwright-rehearse $(DESTDIR)$(PREFIX)/bin/nicwright-rehearse
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/nicwright/rehearse/connectx lab/connectx/*.[ch] lab/connectx/Kbuild lab/connectx/COPYING

# The cache is kept: it takes minutes to build and is keyed by what it is made from.
clean:
	rm -rf $(BIN)
