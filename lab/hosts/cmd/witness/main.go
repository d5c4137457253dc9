// SPDX-License-Identifier: Apache-2.0

// Command witness dumps all that a host has, and compares two dumps.
//
//	witness > FILE
//	witness FILE [FILE]    what differs from the first to the second, or to the host as it is; status 1 if anything
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/nicwright/nicwright/lab/hosts/witness"
)

func main() {
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "witness:", err)
		status = 2
	}
	os.Exit(status)
}

func run(files []string) (int, error) {
	var dumps []witness.State
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return 0, err
		}
		var s witness.State
		if err := json.Unmarshal(b, &s); err != nil {
			return 0, fmt.Errorf("%s is no dump: %w", f, err)
		}
		dumps = append(dumps, s)
	}
	if len(dumps) < 2 {
		s, err := witness.Dump(context.Background())
		if err != nil {
			return 0, err
		}
		dumps = append(dumps, s)
	}
	if len(dumps) == 1 {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", " ")
		return 0, enc.Encode(dumps[0])
	}
	differences := witness.Diff(dumps[0], dumps[1])
	fmt.Print(witness.Text(differences))
	if len(differences) > 0 {
		return 1, nil
	}
	return 0, nil
}
