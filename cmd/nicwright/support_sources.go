// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/confirm"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/report"
	"github.com/nicwright/nicwright/provision/support"
)

// sources are what an archive is gathered from, in its order. Names of hosts that
// they know of are told to the redactor.
func (a *app) sources(ctx context.Context, reportFile string, r *support.Redactor) []support.Source {
	look := sync.OnceValues(func() (*provision.Road, error) { return a.look(ctx) }) // one for all that need it
	return []support.Source{
		source("versions.txt", func(context.Context) ([]support.File, error) { return versions() }),
		source("status.json", func(ctx context.Context) ([]support.File, error) {
			s, err := a.statusHere(ctx)
			return []support.File{support.JSON("status.json", s)}, err
		}),
		source("profile", func(context.Context) ([]support.File, error) { return a.supportProfiles(r) }),
		source("plan", func(ctx context.Context) ([]support.File, error) {
			road, err := look()
			if err != nil {
				return nil, err
			}
			return a.supportPlans(ctx, road)
		}),
		source("journal", func(context.Context) ([]support.File, error) {
			return documents(a.settings.GetString("state-dir"), "journal", "operations/*.json", "*.json")
		}),
		source("confirm.log", func(context.Context) ([]support.File, error) {
			return documents(a.settings.GetString("run-dir"), ".", "confirm.log")
		}),
		source("host.json", func(context.Context) ([]support.File, error) {
			road, err := look()
			if err != nil {
				return nil, err
			}
			return []support.File{support.JSON("host.json", road.Have)}, nil
		}),
		source("devlink", func(ctx context.Context) ([]support.File, error) {
			road, err := look()
			if err != nil {
				return nil, err
			}
			return support.Devlink(ctx, pfsOf(road.Have))
		}),
		source("kernel.log", func(ctx context.Context) ([]support.File, error) {
			text, err := support.KernelLog(ctx)
			return []support.File{{Name: "kernel.log", Text: text}}, err
		}),
		source("report", func(context.Context) ([]support.File, error) {
			if reportFile == "" {
				return nil, errors.New("no report is kept on a host: `nicwright verify --json >FILE`, and --report FILE")
			}
			text, err := os.ReadFile(reportFile)
			if err != nil {
				return nil, fmt.Errorf("reading the report: %w", err)
			}
			return []support.File{{Name: "report" + path.Ext(reportFile), Text: text}}, nil
		}),
	}
}

func source(name string, read func(context.Context) ([]support.File, error)) support.Source {
	return support.Source{Name: name, Read: read}
}

func pfsOf(h provision.Host) []pci.Address {
	var pfs []pci.Address
	for _, c := range h.Cards {
		for _, p := range c.Ports {
			pfs = append(pfs, p.Address)
		}
	}
	return pfs
}

// versions are those of the tool, the kernel and the distribution.
func versions() ([]support.File, error) {
	var b strings.Builder
	b.WriteString(versionText(buildInfo()))
	var u unix.Utsname
	err := unix.Uname(&u)
	if err == nil {
		fmt.Fprintf(&b, "kernel  %s %s\n", unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Version[:]))
	}
	os, errOS := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(os)) {
		if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			fmt.Fprintf(&b, "system  %s\n", strings.Trim(strings.TrimSpace(name), `"`))
		}
	}
	return []support.File{{Name: "versions.txt", Text: []byte(b.String())}}, errors.Join(err, errOS)
}

// documents are files below a directory, as they are: also those that the journal
// itself could not read.
func documents(dir, as string, patterns ...string) ([]support.File, error) {
	var files []support.File
	var errs []error
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(dir, p))
		errs = append(errs, err)
		for _, f := range found {
			text, err := os.ReadFile(f)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			files = append(files, support.File{Name: path.Join(as, filepath.Base(f)), Text: text})
		}
	}
	if len(files) == 0 && errors.Join(errs...) == nil {
		// A directory that may not be looked into has no matches, either.
		if _, err := os.ReadDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, support.ErrNothing
	}
	return files, errors.Join(errs...)
}

// supportProfiles are the profiles of what is in force or was interrupted, layer by
// layer as they were written, and the one that is named.
func (a *app) supportProfiles(r *support.Redactor) ([]support.File, error) {
	ops, err := provision.History(a.state())
	if err != nil {
		return nil, err
	}
	var files []support.File
	for _, o := range ops {
		if o.Confirm != nil {
			for _, target := range o.Confirm.Probe {
				if t, err := confirm.ParseTarget(target); err == nil {
					r.HideHosts(support.HostNames(t.Host, nil)...)
				}
			}
		}
		if !o.InForce() && !o.Open() {
			continue
		}
		var b bytes.Buffer
		for _, l := range o.Profile.Layers {
			fmt.Fprintf(&b, "# of %s\n%s\n", l.Source, l.Text)
		}
		files = append(files, support.File{Name: "profile/" + o.ID + ".yaml", Text: b.Bytes()})
	}
	if a.settings.GetString("profile") != "" {
		p, err := profiles.Load(a.profileOptions())
		if err != nil {
			return files, err
		}
		text, err := p.YAML(true)
		if err != nil {
			return files, err
		}
		files = append(files, support.File{Name: "profile/named.yaml", Text: text})
	}
	if len(files) == 0 {
		return nil, errors.New("no profile is in force, and none is named with -p")
	}
	return files, nil
}

// supportPlans are what an apply of the profile that is named, or of each that is in
// force, would do now.
func (a *app) supportPlans(ctx context.Context, road *provision.Road) ([]support.File, error) {
	var files []support.File
	var errs []error
	add := func(name string, w wanted, err error) {
		var plan *provision.Plan
		if err == nil {
			plan, err = road.Apply(w.want, w.doc, provision.Allowed{})
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			return
		}
		var text bytes.Buffer
		errs = append(errs, report.Plan(&text, plan.Title(), plan.Steps, plan.Left, plan.Summary))
		files = append(files, support.JSON("plan/"+name+".json", plan), support.File{Name: "plan/" + name + ".txt", Text: text.Bytes()})
	}
	if a.settings.GetString("profile") != "" {
		want, err := a.want(false)
		var w wanted
		if err == nil {
			w, err = want(ctx, road)
		}
		add("named", w, err)
		return files, errors.Join(errs...)
	}
	all := journal.InForce(road.Operations(), "")
	for i, o := range all {
		if slices.ContainsFunc(all[i+1:], func(later *journal.Operation) bool { return later.Profile.Name == o.Profile.Name }) {
			continue // the last of a profile is what it wants
		}
		want, err := provision.AppliedWant(a.state(), o.Profile.Name)
		add(o.ID, wanted{want: want, doc: o.Profile}, err)
	}
	if len(files) == 0 && len(errs) == 0 {
		return nil, errors.New("no profile is in force, and none is named with -p")
	}
	return files, errors.Join(errs...)
}
