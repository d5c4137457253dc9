// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision/report"
)

// reports is what verify writes beside what it prints.
type reports struct {
	junit, html string // files, "" for none
	verbose     bool
}

func (o *reports) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.junit, "junit", "", "write the report as JUnit XML to this `file` as well")
	c.Flags().StringVar(&o.html, "html", "", "write the report as one HTML page to this `file` as well")
	c.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "print the evidence of every proof, also of those that are as they should be")
}

// check finds out before the proofs run whether their report will have a place.
func (o *reports) check() error {
	if o.junit != "" && o.junit == o.html {
		return exitStatus{exitUsage, errors.New("--junit and --html name the same file: one would overwrite the other")}
	}
	for _, file := range []string{o.junit, o.html} {
		if file == "" {
			continue
		}
		if err := report.CheckFile(file); err != nil {
			return err
		}
	}
	return nil
}

// write prints the report, and writes the files that are asked for even if that
// fails, and when ctx has ended: a proof that has run is not to be lost.
func (o *reports) write(ctx context.Context, a *app, r *report.Report) error {
	var err error
	if a.json() {
		err = a.printJSON(r)
	} else {
		err = r.Print(a.out, o.verbose)
	}
	ctx = context.WithoutCancel(ctx)
	return errors.Join(err, writeReport(ctx, o.junit, r.JUnit), writeReport(ctx, o.html, r.HTML))
}

// writeReport writes a file whole or not at all.
func writeReport(ctx context.Context, file string, render func(io.Writer) error) error {
	if file == "" {
		return nil
	}
	var b bytes.Buffer
	if err := render(&b); err != nil {
		return err
	}
	return report.WriteFile(ctx, file, b.Bytes())
}
