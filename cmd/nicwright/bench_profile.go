// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
)

// fromProfile takes what the profile of this run, else the one in force, says of a bench
// (https, nfs, ipsec) and no flag does: its keys are the flags' names. --quick is a flag
// that says all of it.
func (f *roundsFlags) fromProfile(cmd *cobra.Command, a *app, name string) error {
	spec, err := f.said(a)
	if err != nil || spec == nil || f.quick {
		return err
	}
	all, err := keysOf(spec)
	if err != nil {
		return err
	}
	own, _ := all[name].(map[string]any)
	for _, keys := range []map[string]any{all, own} {
		for key, v := range keys {
			if _, section := v.(map[string]any); section || key == "between" { // that is for place
				continue
			}
			if err := setUnless(cmd.Flags(), key, v); err != nil {
				return fmt.Errorf("bench.%s of the profile: %w", key, err)
			}
		}
	}
	return nil
}

// said is the bench of the profile, and place is told how to resolve it; nil: none says any.
func (f *roundsFlags) said(a *app) (*profiles.BenchSpec, error) {
	if a.settings.GetString("profile") == "" {
		if len(a.sets) > 0 {
			return nil, exitStatus{exitUsage, errors.New("--set changes a profile, and none is named: say which with -p")}
		}
		want, err := provision.AppliedWant(a.state(), "")
		if err != nil {
			want = &profiles.Want{} // no profile is in force: VFs of one port reach one another
		}
		f.want = func(context.Context, *provision.Road) (*profiles.Want, error) { return want, nil }
		return want.Bench, nil
	}
	p, err := profiles.Load(a.profileOptions())
	if err != nil {
		return nil, err
	}
	f.want = func(ctx context.Context, r *provision.Road) (*profiles.Want, error) {
		want, err := a.want(false)
		if err != nil {
			return nil, err
		}
		w, err := want(ctx, r)
		return w.want, err
	}
	return p.Bench, nil
}

// keysOf are the keys of a bench that are set.
func keysOf(spec *profiles.BenchSpec) (keys map[string]any, err error) {
	text, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(text, &keys)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what the profile says of bench: %w", err)
	}
	return keys, nil
}

// setUnless sets a flag to a value of a profile, unless the command line did. A bench
// that has no such flag (limit, of nfs) has no use for it.
func setUnless(flags *pflag.FlagSet, key string, v any) error {
	flag := flags.Lookup(key)
	if flag == nil || flag.Changed {
		return nil
	}
	return flags.Set(key, flagText(v))
}

// flagText is a value as it is written behind a flag.
func flagText(v any) string {
	switch v := v.(type) {
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, flagText(e))
		}
		return strings.Join(all, ",")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
