// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/internal/grub"
)

// Boot is the boot loader of a host, as far as trials need it. Where there is no GRUB
// nothing is told to anybody: systemd-boot counts its tries by itself, by whether
// boot-complete.target was reached.
type Boot struct {
	Root string // "/" but in tests
	Sys  string // "/sys" but in tests
	// canWrite is grub.Host.CanWrite but in tests.
	canWrite func(*grub.Host) error
}

// ErrNotTold is what errors.Is finds where GRUB is here and cannot be told to try a kernel once.
var ErrNotTold = errors.New("GRUB is not told to try the kernel once")

// TryOnce has GRUB boot a kernel once, and the old one by default. Nil, without an error,
// where no GRUB is. errors.Is(err, ErrNotTold).
func (b Boot) TryOnce(kernel, old string) (*Loader, error) {
	h, err := grub.Open(b.Root)
	if errors.Is(err, grub.ErrNone) {
		return nil, nil
	}
	refuse := func(format string, args ...any) (*Loader, error) {
		return nil, fmt.Errorf("%w: "+format, append([]any{ErrNotTold}, args...)...)
	}
	if err != nil {
		return refuse("%w", err)
	}
	if old == "" || old == kernel {
		return refuse("there is no other kernel that was recorded as good")
	}
	if !h.Saved || !h.Once {
		return refuse("its menu does not take the default from its environment block; set GRUB_DEFAULT=saved in /etc/default/grub and run update-grub (grub2-mkconfig -o /boot/grub2/grub.cfg)")
	}
	can := b.canWrite
	if can == nil {
		can = func(h *grub.Host) error { return h.CanWrite(b.Sys) }
	}
	if err := can(h); err != nil {
		return refuse("it would try it for ever: %w", err)
	}
	l := &Loader{}
	for _, k := range []struct {
		release string
		id      *string
	}{{kernel, &l.New}, {old, &l.Old}} {
		e, ok := grub.Find(h.Entries, k.release)
		if !ok {
			return refuse("its menu has no entry for kernel %s; run update-grub", k.release)
		}
		*k.id = e.ID
	}
	env, err := h.Read()
	if err != nil {
		return refuse("%w", err)
	}
	if chosen := env.Get(grub.SavedEntry); chosen != "" && !slices.Contains([]string{kernel, old}, grub.Boots(h.Entries, chosen)) {
		return refuse("somebody has chosen %q as the default, which is neither kernel %s nor %s; grub-set-default '%s' if that one is to be it", chosen, kernel, old, l.Old)
	}
	if next := env.Get(grub.NextEntry); next != "" && grub.Boots(h.Entries, next) == "" {
		return refuse("somebody has told it to boot %q next; grub-reboot '%s' if the kernel is to be next", next, l.New)
	}
	if err := h.Write(map[string]string{grub.SavedEntry: l.Old, grub.NextEntry: l.New}); err != nil {
		return refuse("%w", err)
	}
	return l, nil
}

// MakeDefault has GRUB boot a kernel by default that was tried, where the default is still
// the one that TryOnce set. Without a Loader nothing was told and nothing is.
func (b Boot) MakeDefault(kernel string, l *Loader) error {
	if l == nil {
		return nil
	}
	h, err := grub.Open(b.Root)
	if err != nil {
		return fmt.Errorf("making kernel %s the default: %w", kernel, err)
	}
	env, err := h.Read()
	if err != nil {
		return fmt.Errorf("making kernel %s the default: %w", kernel, err)
	}
	e, ok := grub.Find(h.Entries, kernel)
	switch saved := env.Get(grub.SavedEntry); {
	case !ok:
		return fmt.Errorf("making kernel %s the default: GRUB's menu has no entry for it; run update-grub, and then grub-set-default", kernel)
	case saved == e.ID:
		return nil
	case saved != l.Old:
		return fmt.Errorf("kernel %s is not made the default: somebody has chosen %q since it was installed; grub-set-default '%s' if this one is to be it", kernel, saved, e.ID)
	}
	values := map[string]string{grub.SavedEntry: e.ID}
	if env.Get(grub.NextEntry) == l.New {
		values[grub.NextEntry] = ""
	}
	if err := h.Write(values); err != nil {
		return fmt.Errorf("making kernel %s the default: %w", kernel, err)
	}
	return nil
}

// Look says which kernels GRUB boots by default and next; "" where nobody knows, or there
// is none. tried tells whether what a Loader was to have tried has been booted, or been taken away.
func (b Boot) Look(l *Loader) (def, next string, tried bool, err error) {
	h, err := grub.Open(b.Root)
	if errors.Is(err, grub.ErrNone) {
		return "", "", false, nil
	}
	if err != nil {
		return "", "", false, err
	}
	env, err := h.Read()
	if err != nil {
		return "", "", false, err
	}
	if h.Saved {
		def = grub.Boots(h.Entries, env.Get(grub.SavedEntry))
	}
	id := env.Get(grub.NextEntry)
	if next = grub.Boots(h.Entries, id); next == "" {
		next = id
	}
	return def, next, l != nil && id != l.New, nil
}
