// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
func (o *reports) check() error { return checkForms(o.forms(nil)) }

func (o *reports) forms(r *report.Report) []form {
	return []form{{flag: "--junit", file: o.junit, render: r.JUnit}, {flag: "--html", file: o.html, render: r.HTML}}
}

// write prints the report, and writes the files that are asked for even if that fails.
func (o *reports) write(ctx context.Context, a *app, r *report.Report) error {
	var err error
	if a.json() {
		err = a.printJSON(r)
	} else {
		err = r.Print(a.out, o.verbose)
	}
	return errors.Join(err, writeForms(ctx, o.forms(r)))
}

// form is a file that is asked for beside what is printed.
type form struct {
	flag    string
	file    string // "" for none
	private bool   // mode 0600
	render  func(io.Writer) error
}

// checkForms finds out before something that takes long whether what comes of it will have
// a place.
func checkForms(all []form) error {
	by := map[string]string{}
	for _, f := range all {
		if f.file == "" {
			continue
		}
		if other := by[f.file]; other != "" {
			return exitStatus{exitUsage, fmt.Errorf("%s and %s name the same file: one would overwrite the other", other, f.flag)}
		}
		by[f.file] = f.flag
		if err := report.CheckFile(f.file); err != nil {
			return err
		}
	}
	return nil
}

// writeForms writes them, each even if another could not be written, and when ctx has
// ended: what has been found out is not to be lost.
func writeForms(ctx context.Context, all []form) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for _, f := range all {
		errs = append(errs, f.write(ctx))
	}
	return errors.Join(errs...)
}

// write writes the file whole or not at all.
func (f form) write(ctx context.Context) error {
	if f.file == "" {
		return nil
	}
	var b bytes.Buffer
	if err := f.render(&b); err != nil {
		return err
	}
	if f.private {
		return report.WritePrivate(ctx, f.file, b.Bytes())
	}
	return report.WriteFile(ctx, f.file, b.Bytes())
}
