// SPDX-License-Identifier: Apache-2.0

// Command lab runs commands and Go tests in a virtual machine with a stock
// Debian kernel and an emulated ConnectX-6 Dx, and builds what that takes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/nicwright/nicwright/lab/internal/guest"
	"github.com/nicwright/nicwright/lab/internal/sandbox"
	"github.com/nicwright/nicwright/lab/internal/vm"
)

// statusUsage is the status of a wrong command line.
const statusUsage = 64

const usage = `lab runs commands and Go tests in a virtual machine: a stock Debian kernel under
software emulation, with an emulated ConnectX-6 Dx that the real mlx5_core drives.

usage:
  lab build [flags]                    build all that a run needs, into the cache
  lab run   [flags] -- COMMAND ARG...  boot, run the command, end with its status
  lab exec  [flags] TEST.BINARY ARG... the same for go test -exec
  lab VERB --help                      the flags

examples:
  lab build
  lab run -- uname -a
  lab run --card ports=2,vfs=8 --ovs -- bash -c 'devlink dev; ovs-vsctl show'
  lab run --igb -- bash -c 'echo 7 >/sys/bus/pci/drivers/igb/*:*/sriov_numvfs; ip link'
  lab run --kernel 7.3 --netdevsim -- bash -c 'echo 1 2 >/sys/bus/netdevsim/new_device; devlink port'
  lab run --share ./bin --time-limit 2m --card ports=2,vfs=8 -- /lab/share/nicwright show
  go test -exec "lab exec --card ports=2,vfs=8 --ovs" ./eswitch/...
  lab run --systemd --disk /tmp/d.img --card ports=2,vfs=4 --ovs -- systemctl status
  LAB_FLAGS="--time-limit 3m -v" go test -exec "lab exec" ./bond/

In the machine: the modules are in /lab/modules, --share is at /lab/share, the far
ends of the card's ports are the bond "bond0" in the namespace "peer", NICWRIGHT_IN_LAB
is the kernel's name. All that is written is gone afterwards, but for what is written
to a share, and with --disk. Flags in the environment variable LAB_FLAGS come before the given ones.

exit status: the command's; 124 the time limit is over; 125 the lab failed, or the
kernel reported errors of its own (see --allow-warnings); 126, 127 the command cannot
be run or found; 64 wrong usage.

The cache is ${XDG_CACHE_HOME:-~/.cache}/nicwright. It may be removed at any time.
`

func main() {
	sandbox.Hook(vm.StatusLab)
	// The machine's first process and its agent are this program as well.
	switch {
	case os.Getpid() == 1 && os.Args[0] == guest.InitPath:
		guest.Init()
		return
	case len(os.Args) == 2 && os.Args[1] == guest.AgentVerb:
		fmt.Fprintln(os.Stderr, "lab agent:", guest.Agent())
		os.Exit(vm.StatusLab)
	case len(os.Args) == 2 && os.Args[1] == guest.CardVerb:
		os.Exit(inUnit(guest.Card()))
	case len(os.Args) == 3 && os.Args[1] == guest.LoadVerb:
		os.Exit(inUnit(guest.Load(os.Args[2])))
	}
	os.Exit(start(os.Args[1:]))
}

// inUnit is the status of what a unit of the machine runs.
func inUnit(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	return 0
}

func start(args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Print(usage)
		if len(args) == 0 {
			return statusUsage
		}
		return 0
	}
	verbs := map[string]func(context.Context, []string) (int, error){"build": buildVerb, "run": runVerb, "exec": execVerb}
	verb, ok := verbs[args[0]]
	if !ok {
		fmt.Fprintf(os.Stderr, "lab: no verb %q; there is: build, run, exec. See lab --help\n", args[0])
		return statusUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	status, err := verb(ctx, args[1:])
	var u usageError
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &u):
		fmt.Fprintf(os.Stderr, "lab %s: %v. See lab %s --help\n", args[0], err, args[0])
		return statusUsage
	case err != nil:
		fmt.Fprintln(os.Stderr, "lab:", strings.TrimRight(err.Error(), "\n"))
	}
	return status
}

// usageError is an error of the command line.
type usageError struct{ error }
