// SPDX-License-Identifier: Apache-2.0

// Command nicwright-rehearse boots a kernel of this host in a virtual machine with an
// emulated card, for `nicwright rehearse`, which says on its standard input what to do
// and reads the outcome from its standard output.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/nicwright/nicwright/internal/rehearsal"
	"github.com/nicwright/nicwright/lab/internal/guest"
	"github.com/nicwright/nicwright/lab/internal/rehearse"
	"github.com/nicwright/nicwright/lab/internal/sandbox"
	"github.com/nicwright/nicwright/lab/internal/vm"
)

// statusUsage is the status of a wrong command line.
const statusUsage = 64

const usage = `nicwright-rehearse boots machines for nicwright rehearse, and is run by it:
see nicwright rehearse --help. It reads a request as JSON and prints an outcome.
`

// niceness lets what else this host does go first, in the machine's builds and boots.
const niceness = 10

func main() {
	sandbox.Hook(vm.StatusLab)
	// The machine's first process, its agent, and what the agent runs are this program as well.
	switch {
	case os.Getpid() == 1 && os.Args[0] == guest.InitPath:
		guest.Init()
		return
	case len(os.Args) == 2 && os.Args[1] == guest.AgentVerb:
		fmt.Fprintln(os.Stderr, "rehearsal's agent:", guest.Agent())
		os.Exit(vm.StatusLab)
	case len(os.Args) == 2 && os.Args[1] == rehearse.InsideVerb:
		if err := rehearse.Inside(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 1 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(statusUsage)
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, rehearsal.Program+":", err)
		os.Exit(1)
	}
}

// serve does one request.
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if os.Geteuid() != 0 {
		return fmt.Errorf("it has to be run as root: it shares this host's root directory with the machine")
	}
	var r rehearsal.Request
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		return fmt.Errorf("reading the request: %w; %s", err, strings.TrimSpace(usage))
	}
	// Whoever runs us may have no environment.
	if os.Getenv("PATH") == "" {
		if err := os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
			return fmt.Errorf("setting PATH: %w", err)
		}
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, niceness)
	out, err := rehearse.Run(ctx, &r, func(format string, args ...any) { fmt.Fprintf(os.Stderr, "rehearse: "+format+"\n", args...) })
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}
