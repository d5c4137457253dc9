// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// DefaultConfigDir is where a host keeps its own profiles and drop-ins.
const DefaultConfigDir = "/etc/nicwright"

// Options say which profile to load and what to lay over it.
type Options struct {
	// Name of a profile (built in, or CONFIG/profiles/NAME.yaml), or the path of a file: what
	// has a "/" in it or ends in .yaml or .yml is a path.
	Name string
	// Files to lay over it, in this order.
	Files []string
	// Sets are the path=value of --set, in this order. Entries of lists go by their name:
	// cards.nic0.ports.p0.vfs=8.
	Sets []string
	// ConfigDir has profiles/NAME.yaml and profiles.d/NAME/*.yaml; "": none (see DefaultConfigDir).
	ConfigDir string
	// Environ is the environment as os.Environ gives it. A variable whose name begins with
	// NICWRIGHT_ and has "__" in it is a path: NICWRIGHT_CARDS__NIC0__PORTS__P0__VFS=8.
	Environ []string
}

// layer is one document.
type layer struct {
	source string
	data   []byte
}

// Load reads the profile that o names, with all its layers, and validates it.
// What is wrong in it is an Errors, all of it at once as far as it can be told:
// first what is wrong in each document for itself, then what is wrong in the
// whole (Rules; warnings are left out: Check has them). Other errors are those of
// reading files.
func Load(o Options) (*Profile, error) {
	p, err := Read(o)
	if err != nil {
		return nil, err
	}
	if errs := p.check().Fatal(); len(errs) > 0 {
		return nil, errs.orNil()
	}
	return p, nil
}

// Read is Load without the rules: Check has those.
func Read(o Options) (*Profile, error) {
	book, err := theSchema()
	if err != nil {
		return nil, err
	}
	layers, err := o.base()
	if err != nil {
		return nil, err
	}
	doc, err := stack(book.root, nil, 0, layers)
	if err != nil {
		return nil, err
	}
	dropins, err := o.dropins(doc.name())
	if err != nil {
		return nil, err
	}
	if doc, err = stack(book.root, doc, len(layers), dropins); err != nil {
		return nil, err
	}
	layers = append(layers, dropins...)
	if doc, err = o.override(book.root, doc, len(layers)); err != nil {
		return nil, err
	}
	p, err := decode(doc)
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		p.layers = append(p.layers, Layer{l.source, string(l.data)})
	}
	for _, set := range o.overrides() {
		p.layers = append(p.layers, Layer{"override", set})
	}
	return p, nil
}

// overrides are the texts of the environment and of --set that say something of a profile.
func (o Options) overrides() []string {
	var all []string
	for _, e := range o.Environ {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "NICWRIGHT_") && strings.Contains(name, "__") {
			all = append(all, e)
		}
	}
	return append(all, o.Sets...)
}

// Validate checks one document for itself, without layers, as Load does. source
// is what its positions name.
func Validate(source string, data []byte) error {
	_, err := Parse(source, data)
	return err
}

// Parse is the profile of one document for itself, validated.
func Parse(source string, data []byte) (*Profile, error) {
	book, err := theSchema()
	if err != nil {
		return nil, err
	}
	doc, err := stack(book.root, nil, 0, []layer{{source, data}})
	if err != nil {
		return nil, err
	}
	p, err := decode(doc)
	if err != nil {
		return nil, err
	}
	return p, p.check().Fatal().orNil()
}

// stack parses and validates the layers and lays them upon doc, which has below layers.
func stack(root schema, doc *node, below int, layers []layer) (*node, error) {
	var errs Errors
	for i, l := range layers {
		n, bad := parse(l.source, below+i, l.data)
		if n != nil {
			more, err := validate(n)
			if err != nil {
				return nil, err
			}
			bad = append(bad, more...)
		}
		if len(bad) > 0 {
			errs = append(errs, bad...)
			continue
		}
		doc = merge(root, doc, n)
	}
	return doc, errs.orNil()
}

// override lays the environment and --set upon doc, which has below layers.
func (o Options) override(root schema, doc *node, below int) (*node, error) {
	all, errs := fromSets(o.Sets)
	for i, ov := range slices.Concat(fromEnviron(o.Environ), all) {
		ov.at.order = below + i
		over, err := ov.overlay(root, doc)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		doc = merge(root, doc, over)
	}
	bad, err := validate(doc)
	if err != nil {
		return nil, err
	}
	return doc, append(errs, bad...).orNil()
}

// decode fills a Profile from a validated document.
func decode(doc *node) (*Profile, error) {
	text, err := json.Marshal(doc.plain())
	if err != nil {
		return nil, fmt.Errorf("decoding the merged profile: %w", err)
	}
	p := &Profile{doc: doc}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(p); err != nil {
		return nil, fmt.Errorf("decoding the merged profile: %w", err)
	}
	for i := range p.Cards {
		for j := range p.Cards[i].Ports {
			port := &p.Cards[i].Ports[j]
			port.VFs = port.VFList.number()
		}
	}
	return p, nil
}

// base has the layers that make the profile: the built-in one, the host's own
// file of that name, and the files given.
func (o Options) base() ([]layer, error) {
	var layers []layer
	switch {
	case o.Name == "" && len(o.Files) == 0:
		return nil, fmt.Errorf("loading a profile: no profile is named; name one with -p (%s), or a file", strings.Join(o.Names(), ", "))
	case o.Name == "":
	case isPath(o.Name):
		l, err := readLayer(o.Name)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	default:
		own, err := o.named()
		if err != nil {
			return nil, err
		}
		layers = own
	}
	for _, f := range o.Files {
		l, err := readLayer(f)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// named has the layers of the profile o.Name: the built-in one, the host's own, or both.
func (o Options) named() ([]layer, error) {
	var layers []layer
	data, err := builtin.ReadFile("builtin/" + o.Name + ".yaml")
	if err == nil {
		layers = append(layers, layer{"builtin:" + o.Name + ".yaml", data})
	}
	if o.ConfigDir != "" {
		l, err := readLayer(filepath.Join(o.ConfigDir, "profiles", o.Name+".yaml"))
		if err == nil {
			layers = append(layers, l)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if len(layers) == 0 {
		names := o.Names()
		return nil, fmt.Errorf("loading profile %q: there is none of this name%s\n        there are: %s; a file is named by a path, as in ./%s.yaml",
			o.Name, didYouMean(o.Name, names), strings.Join(names, ", "), o.Name)
	}
	return layers, nil
}

// dropins are the host's additions to the profile of that name, in lexical order.
func (o Options) dropins(name string) ([]layer, error) {
	if o.ConfigDir == "" || name == "" {
		return nil, nil
	}
	dir := filepath.Join(o.ConfigDir, "profiles.d", name)
	entries, err := os.ReadDir(dir) // sorted by name
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the drop-ins of profile %q: %w", name, err)
	}
	var layers []layer
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != ".yaml" {
			continue
		}
		l, err := readLayer(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// Names are the profiles that can be loaded by name: the built-in ones and those of ConfigDir.
func (o Options) Names() []string {
	names := BuiltIn()
	if o.ConfigDir != "" {
		own, _ := filepath.Glob(filepath.Join(o.ConfigDir, "profiles", "*.yaml")) // the pattern is well formed
		for _, f := range own {
			names = append(names, strings.TrimSuffix(filepath.Base(f), ".yaml"))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// BuiltIn are the names of the profiles that nicwright brings, sorted.
func BuiltIn() []string {
	files, _ := fs.Glob(builtin, "builtin/*.yaml") // the pattern is well formed
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(filepath.Base(f), ".yaml")
	}
	return names
}

func isPath(name string) bool {
	ext := filepath.Ext(name)
	return strings.Contains(name, "/") || ext == ".yaml" || ext == ".yml"
}

func readLayer(file string) (layer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return layer{}, fmt.Errorf("reading a profile: %w", err)
	}
	return layer{file, data}, nil
}
