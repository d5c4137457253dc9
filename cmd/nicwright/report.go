// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/provision"
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
		dir := filepath.Dir(file)
		if info, err := os.Stat(dir); err != nil {
			return fmt.Errorf("looking for the directory of the report %s: %w; make it first", file, err)
		} else if !info.IsDir() {
			return fmt.Errorf("the report %s cannot be written: %s is no directory", file, dir)
		}
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			return fmt.Errorf("the report %s cannot be written: it is a directory; name a file in it", file)
		}
	}
	return nil
}

// write prints the report, and writes the files that are asked for even if that
// fails: a proof that has run is not to be lost.
func (o *reports) write(a *app, r *provision.VerifyReport) error {
	var err error
	if a.json() {
		err = a.printJSON(r)
	} else {
		err = r.Print(a.out, o.verbose)
	}
	return errors.Join(err, writeReport(o.junit, r.JUnit), writeReport(o.html, r.HTML))
}

// writeReport writes a file whole or not at all. What is there and no regular
// file (a pipe, /dev/stdout) is written into and stays.
func writeReport(file string, render func(io.Writer) error) error {
	if file == "" {
		return nil
	}
	var b bytes.Buffer
	if err := render(&b); err != nil {
		return err
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("looking at the report file %s: %w", file, err)
	case !info.Mode().IsRegular():
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("opening the report %s: %w", file, err)
		}
		_, err = f.Write(b.Bytes())
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("writing the report %s: %w", file, err)
		}
		return nil
	default:
		// A symbolic link stays one: what it names is replaced.
		if file, err = filepath.EvalSymlinks(file); err != nil {
			return fmt.Errorf("looking at the report file: %w", err)
		}
	}
	if err := renameio.WriteFile(file, b.Bytes(), 0o644, renameio.WithTempDir(filepath.Dir(file))); err != nil {
		return fmt.Errorf("writing the report %s: %w; make room, or name another file", file, err)
	}
	return nil
}
