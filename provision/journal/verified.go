// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/nicwright/nicwright/internal/proof"
)

// VerifiedVersion is the version of the document of the last verification.
const VerifiedVersion = 1

// Verified is the last verification of what is in force.
type Verified struct {
	Version   int       `json:"version"`
	Ended     time.Time `json:"ended"`
	Kernel    string    `json:"kernel"`         // as uname -r prints it
	Tool      string    `json:"tool,omitempty"` // version of nicwright
	Profile   string    `json:"profile"`
	Operation string    `json:"operation"` // that was in force
	Quick     bool      `json:"quick,omitempty"`
	Drift     int       `json:"drift"` // steps that an apply would have had
	Proofs    []Proved  `json:"proofs"`
	Status    int       `json:"status"` // exit status of the verify: 0, all is as the profile requires
	// Error is why it did not come to its end.
	Error string `json:"error,omitempty"`
}

// Proved is the verdict of one proof.
type Proved struct {
	Kind    string        `json:"kind"`
	Cell    []proof.Field `json:"cell"`
	Verdict proof.Verdict `json:"verdict"`
	OK      bool          `json:"ok"` // it is what the profile requires
}

func (d Dir) verified() string { return filepath.Join(string(d), "verified.json") }

// KeepVerified writes the last verification in place of the one before.
func (d Dir) KeepVerified(v *Verified) error {
	fail := func(err error) error {
		return fmt.Errorf("keeping the verification in %s: %w (nicwright status and watch go on telling the one before)", d.verified(), err)
	}
	v.Version = VerifiedVersion
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fail(err)
	}
	if err := renameio.WriteFile(d.verified(), append(text, '\n'), 0o600, renameio.WithStaticPermissions(0o600), renameio.WithTempDir(string(d))); err != nil {
		return fail(err)
	}
	return nil
}

// LastVerified is the last verification that was kept, nil where there was none.
func (d Dir) LastVerified() (*Verified, error) {
	text, err := os.ReadFile(d.verified())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var v *Verified
	if err == nil {
		v, err = DecodeVerified(text)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the last verification %s: %w; the next nicwright verify writes it anew", d.verified(), err)
	}
	return v, nil
}

// DecodeVerified reads the document. Fields that it does not know mean nothing to it.
func DecodeVerified(text []byte) (*Verified, error) {
	v := new(Verified)
	dec := json.NewDecoder(bytes.NewReader(text))
	switch err := dec.Decode(v); {
	case err != nil:
		return nil, fmt.Errorf("not the document of a verification: %w", err)
	case dec.More():
		return nil, errors.New("not the document of a verification: more follows it")
	case v.Version != VerifiedVersion:
		return nil, fmt.Errorf("its version is %d, and this nicwright reads %d", v.Version, VerifiedVersion)
	case v.Ended.IsZero() || v.Profile == "" || v.Operation == "":
		return nil, errors.New("not the document of a verification: it says not when, or of what")
	}
	return v, nil
}

// OK tells whether all was as the profile requires.
func (v *Verified) OK() bool { return v.Status == 0 }

// Kinds tells of each kind of proof whether all of it was as the profile requires.
func (v *Verified) Kinds() map[string]bool {
	all := map[string]bool{}
	for _, p := range v.Proofs {
		before, seen := all[p.Kind]
		all[p.Kind] = p.OK && (before || !seen)
	}
	return all
}
