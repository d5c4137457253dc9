// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nicwright/nicwright/internal/hostkernel"
	"github.com/nicwright/nicwright/provision/rehearse"
)

func newBisect(a *app) *cobra.Command {
	var (
		how      rehearsing
		bad      string
		packages []string
	)
	c := &cobra.Command{
		Use:   "bisect --good KERNEL --bad KERNEL",
		Short: "Find the first kernel with which the profile will not go",
		Long: `bisect rehearses kernels between one with which the profile goes and one with which
it does not, as nicwright rehearse does, and names the first bad one. It takes those
that are installed, and with --package those of package files. One that cannot be
rehearsed is left out, and named if the first bad one may be it.
Exit status 0 says that it was found.`,
		Example: `  nicwright bisect --good 6.12 --bad 7.3 -p vm-host
  nicwright bisect --good 6.12 --bad 7.3 --package linux-image-6.16_amd64.deb,linux-headers-6.16_amd64.deb`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if how.against == "" || bad == "" {
				return exitStatus{exitUsage, errors.New("say with --good and --bad between which kernels to search")}
			}
			if err := how.check(cmd); err != nil {
				return err
			}
			all, err := hostkernel.Find(how.root)
			if err != nil {
				return err
			}
			row, err := kernelsBetween(all, how.against, bad, packages)
			if err != nil {
				return err
			}
			s, err := a.stage(cmd.Context(), &how)
			if err != nil {
				return err
			}
			good, err := s.boot(cmd.Context(), row[0])
			if err != nil {
				return err
			}
			if _, err := rehearse.Recorded(good); err != nil {
				return err
			}
			var names []string
			for _, k := range row {
				names = append(names, k.release)
			}
			found, err := rehearse.Bisect(names, func(i int) (*rehearse.Judgement, string, error) {
				k := row[i]
				if len(k.packages) > 0 {
					k.release = ""
				}
				out, err := s.boot(cmd.Context(), k)
				if err != nil {
					return nil, "", err
				}
				j, err := s.judge(good, out)
				if errors.Is(err, rehearse.ErrRefused) {
					return nil, err.Error(), nil
				}
				return j, "", err
			})
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(found)
			}
			return found.Print(a.out, how.verbose)
		},
	}
	how.flags(c)
	f := c.Flags()
	f.Lookup("against").Hidden = true
	f.StringVar(&how.against, "good", "", "a `kernel` with which the profile goes: its version, or the beginning of it")
	f.StringVar(&bad, "bad", "", "a later `kernel` with which it does not")
	f.StringArrayVar(&packages, "package", nil, "the `files` of one more kernel's Debian packages, separated by commas; repeatable")
	f.BoolVarP(&how.verbose, "verbose", "v", false, "print noise, too, what was as before, and what the machines say")
	return c
}

// packageName has the release of a kernel that a package is of: linux-image-6.12.117+deb13-amd64_6.12.117-1_amd64.deb.
var packageName = regexp.MustCompile(`^linux-(?:image|binary|modules|image-unsigned)-(\d[^_]*)_`)

// kernelsBetween are those from the good to the bad one, oldest first.
func kernelsBetween(all []hostkernel.Kernel, good, bad string, packages []string) ([]kernelChoice, error) {
	var row []kernelChoice
	for _, k := range all {
		row = append(row, kernelChoice{release: k.Release})
	}
	for _, files := range packages {
		k := kernelChoice{}
		for _, file := range strings.Split(files, ",") {
			path, err := filepath.Abs(file)
			if err != nil {
				return nil, fmt.Errorf("finding the package %s: %w", file, err)
			}
			k.packages = append(k.packages, path)
			if m := packageName.FindStringSubmatch(filepath.Base(file)); m != nil {
				k.release = m[1]
			}
		}
		if k.release == "" {
			return nil, exitStatus{exitUsage, fmt.Errorf("--package %s: none of the names says of which kernel it is, as linux-image-6.12.117+deb13-amd64_6.12.117-1_amd64.deb does", files)}
		}
		if !slices.ContainsFunc(row, func(r kernelChoice) bool { return r.release == k.release }) {
			row = append(row, k)
		}
	}
	slices.SortFunc(row, func(a, b kernelChoice) int { return hostkernel.Compare(a.release, b.release) })
	var named []hostkernel.Kernel
	for _, k := range row {
		named = append(named, hostkernel.Kernel{Release: k.release})
	}
	at := func(what string) (int, error) {
		k, err := hostkernel.Choose(named, what, "")
		if err != nil {
			return 0, err
		}
		return slices.IndexFunc(row, func(r kernelChoice) bool { return r.release == k[0].Release }), nil
	}
	first, err := at(good)
	if err != nil {
		return nil, fmt.Errorf("--good: %w", err)
	}
	last, err := at(bad)
	if err != nil {
		return nil, fmt.Errorf("--bad: %w", err)
	}
	if first >= last {
		return nil, exitStatus{exitUsage, fmt.Errorf("--good %s is not older than --bad %s: what a newer kernel mended is not searched for", row[first].release, row[last].release)}
	}
	return row[first : last+1], nil
}
