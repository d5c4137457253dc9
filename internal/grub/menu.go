// SPDX-License-Identifier: Apache-2.0

package grub

import (
	"path"
	"slices"
	"strings"
)

// Menu is what is known of a grub.cfg.
type Menu struct {
	// Entries are in the menu's order; none where the menu is of the Boot Loader Specification.
	Entries []Entry
	// BLS: the entries are files below loader/entries.
	BLS bool
	// Saved: the default is saved_entry (GRUB_DEFAULT=saved in /etc/default/grub).
	Saved bool
	// Once: next_entry is booted once.
	Once bool
}

// Entry is one entry that boots a kernel of this host.
type Entry struct {
	// ID is how saved_entry and next_entry name it: with the submenus it is in, "a>b".
	ID string
	// Release is the kernel's, by the name of its image.
	Release string
}

// Find is the entry that boots a kernel, and no other kernel when a newer one is
// installed: its ID has the release in it. The first of several is the ordinary one, as
// grub-mkconfig and kernel-install have it (recovery comes behind it).
func Find(entries []Entry, release string) (Entry, bool) {
	i := slices.IndexFunc(entries, func(e Entry) bool {
		return e.Release == release && strings.Contains(e.ID[strings.LastIndex(e.ID, ">")+1:], release)
	})
	if i < 0 || release == "" {
		return Entry{}, false
	}
	return entries[i], true
}

// Boots is the release that an ID boots, "" where no entry has it. saved_entry may also be
// the last part alone of an ID.
func Boots(entries []Entry, id string) string {
	for _, e := range entries {
		if id != "" && (e.ID == id || strings.HasSuffix(e.ID, ">"+id)) {
			return e.Release
		}
	}
	return ""
}

// ParseMenu reads a grub.cfg, as far as it is as grub-mkconfig writes it.
func ParseMenu(text string) Menu {
	var m Menu
	var open, ids []string // the blocks around a line, and the IDs of those that are the menu's
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		w := words(l)
		switch {
		case len(w) == 0:
			continue
		case w[0] == "blscfg":
			m.BLS = true
		case w[0] == "set" && len(w) == 2:
			m.Saved = m.Saved || w[1] == "default=${"+SavedEntry+"}"
			m.Once = m.Once || w[1] == "default=${"+NextEntry+"}"
		case len(w) > 1 && (w[0] == "linux" || w[0] == "linux16" || w[0] == "linuxefi"):
			if release, ok := strings.CutPrefix(path.Base(w[1]), "vmlinuz-"); ok && len(ids) > 0 && ids[len(ids)-1] != "" {
				m.Entries = append(m.Entries, Entry{ID: strings.Join(ids, ">"), Release: release})
			}
		}
		if strings.HasSuffix(l, "{") {
			if w[0] == "menuentry" || w[0] == "submenu" {
				ids = append(ids, identity(w))
			}
			open = append(open, w[0])
		}
		if l == "}" && len(open) > 0 {
			last := open[len(open)-1]
			open = open[:len(open)-1]
			if (last == "menuentry" || last == "submenu") && len(ids) > 0 {
				ids = ids[:len(ids)-1]
			}
		}
	}
	m.Entries = slices.DeleteFunc(m.Entries, func(e Entry) bool { return slices.Contains(strings.Split(e.ID, ">"), "") })
	return m
}

// identity is the ID of a menuentry or submenu; its title where it has none.
func identity(w []string) string {
	for i, s := range w {
		if id, ok := strings.CutPrefix(s, "--id="); ok {
			return id
		}
		if (s == "--id" || s == "$menuentry_id_option" || s == "${menuentry_id_option}") && i+1 < len(w) {
			return w[i+1]
		}
	}
	if len(w) > 2 {
		return strings.ReplaceAll(w[1], ">", ">>") // GRUB manual, "default"
	}
	return ""
}

// words splits a line as GRUB's shell does, quotes taken away, without expanding anything.
func words(l string) []string {
	var all []string
	var w strings.Builder
	quote, in := byte(0), false
	for i := 0; i < len(l); i++ {
		c := l[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			if in {
				all = append(all, w.String())
				w.Reset()
				in = false
			}
			continue
		case quote == 0 && !in && c == '#':
			return all
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote == c && c != 0:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(l):
			i++
			w.WriteByte(l[i])
		default:
			w.WriteByte(c)
		}
		in = true
	}
	if in {
		all = append(all, w.String())
	}
	return all
}

// ParseBLS reads an entry of the Boot Loader Specification; name is its file's, which is
// its ID but for .conf.
func ParseBLS(name, text string) (Entry, bool) {
	id, ok := strings.CutSuffix(name, ".conf")
	e := Entry{ID: id}
	for l := range strings.Lines(text) {
		f := strings.Fields(l)
		switch {
		case len(f) < 2:
		case f[0] == "version":
			e.Release = f[1]
		case f[0] == "linux" && e.Release == "":
			e.Release, _ = strings.CutPrefix(path.Base(f[1]), "vmlinuz-")
		}
	}
	return e, ok && id != "" && e.Release != ""
}
