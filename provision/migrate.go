// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

// migrated is the Tool of an operation that was made of version 1's files, whose
// marks named no profile.
const migrated = "version 1"

// The files of version 1: one slot each.
const (
	checkpointV1 = "checkpoint.json" // the host before an apply that has not ended
	previousV1   = "previous.json"   // the host before the last apply that did
	appliedV1    = "applied.json"    // what that one wanted
)

// hostV1 is the host as version 1 wrote it.
type hostV1 struct {
	Cards   []eswitch.Card          `json:"cards"`
	Bonds   []bond.Bond             `json:"bonds"`
	Switch  *ovs.State              `json:"switch"`
	Offload map[string]crypto.State `json:"offload"`
}

type checkpointDoc struct {
	Version int       `json:"version"`
	Taken   time.Time `json:"taken"`
	Profile string    `json:"profile"`
	Host    hostV1    `json:"host"`
}

// wantV1 had one want for all VFs of a port.
type wantV1 struct {
	profiles.Want
	Ports map[pci.Address]struct {
		eswitch.PortSpec
		VF eswitch.FunctionSpec `json:"vf"`
	} `json:"ports"`
}

type appliedDoc struct {
	Version int       `json:"version"`
	Ended   time.Time `json:"ended"`
	Want    wantV1    `json:"want"`
}

// readJournal reads the operations of a state directory, those of version 1's
// files among them.
func readJournal(dir journal.Dir) ([]*journal.Operation, error) {
	ops, err := dir.List()
	if err != nil || len(ops) > 0 {
		return ops, err
	}
	return readV1(dir)
}

// History is the journal of a state directory, oldest first.
func History(dir journal.Dir) ([]*journal.Operation, error) { return readJournal(dir) }

// readV1 makes operations of version 1's files: the last apply that ended, and the
// one that has not. What they touched is not said: all of the host.
func readV1(dir journal.Dir) ([]*journal.Operation, error) {
	previous, err := readFileV1[checkpointDoc](dir, previousV1)
	if err != nil {
		return nil, err
	}
	applied, err := readFileV1[appliedDoc](dir, appliedV1)
	if err != nil {
		return nil, err
	}
	open, err := readFileV1[checkpointDoc](dir, checkpointV1)
	if err != nil {
		return nil, err
	}
	var ops []*journal.Operation
	if applied != nil {
		o := &journal.Operation{
			Version: journal.Version, ID: idV1(applied.Ended), Kind: journal.Apply, Profile: journal.Profile{Name: applied.Want.Profile},
			Tool: migrated, Begun: applied.Ended, Ended: &applied.Ended, Outcome: journal.Done, Touched: journal.Touched{},
		}
		if previous != nil {
			o.Touched = nil // all
			if o.Before, err = document(previous.Host.want()); err != nil {
				return nil, err
			}
		}
		if o.Want, err = document(applied.Want.want()); err != nil {
			return nil, err
		}
		ops = append(ops, o)
	}
	if open != nil {
		o := &journal.Operation{
			Version: journal.Version, ID: idV1(open.Taken), Kind: journal.Apply, Profile: journal.Profile{Name: open.Profile},
			Tool: migrated, Begun: open.Taken,
		}
		if o.Before, err = document(open.Host.want()); err != nil {
			return nil, err
		}
		ops = append(ops, o)
	}
	return ops, nil
}

func idV1(at time.Time) string {
	return at.UTC().Format("20060102T150405.000Z") + "-" + string(journal.Apply)
}

func readFileV1[T any](dir journal.Dir, name string) (*T, error) {
	path := filepath.Join(string(dir), name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state file %s: %w", path, err)
	}
	v, err := decodeV1[T](b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; move it away if it is not nicwright's", path, err)
	}
	return v, nil
}

func decodeV1[T any](b []byte) (*T, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("not a nicwright state document: %w", err)
	}
	if head.Version != 1 {
		return nil, fmt.Errorf("its version is %d, and of these files this nicwright reads version 1", head.Version)
	}
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		return nil, fmt.Errorf("not a nicwright state document: %w", err)
	}
	return v, nil
}

// want is the host of version 1 as a want.
func (h hostV1) want() *profiles.Want {
	now := Host{Cards: h.Cards, Bonds: bond.State{Bonds: h.Bonds}, Switch: h.Switch, Offload: map[pci.Function]crypto.State{}}
	for name, s := range h.Offload {
		if f, err := pci.ParseFunction(name); err == nil {
			now.Offload[f] = s
		}
	}
	return now.want()
}

// want is the want of version 1, with one for each VF.
func (w wantV1) want() *profiles.Want {
	out := w.Want
	out.Ports = map[pci.Address]eswitch.PortSpec{}
	for a, p := range w.Ports {
		spec := p.PortSpec
		if spec.VFs != nil && p.VF != (eswitch.FunctionSpec{}) {
			spec.Functions = map[int]eswitch.FunctionSpec{}
			for n := range *spec.VFs {
				spec.Functions[n] = p.VF
			}
		}
		out.Ports[a] = spec
	}
	return &out
}

// settleV1 writes the operations that were made of version 1's files into the
// journal, and takes the files away: after that the journal alone counts.
func settleV1(dir journal.Dir, ops []*journal.Operation) error {
	wrote := false
	for _, o := range ops {
		if o.Tool != migrated {
			continue
		}
		if err := dir.Write(o); err != nil {
			return err
		}
		wrote = true
	}
	if !wrote {
		return nil
	}
	for _, name := range []string{checkpointV1, previousV1, appliedV1} {
		if err := os.Remove(filepath.Join(string(dir), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("taking version 1's state file away: %w", err)
		}
	}
	return nil
}
