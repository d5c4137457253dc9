// SPDX-License-Identifier: Apache-2.0

package support

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/pci"
)

// info is devlink.Info as a document.
type info struct {
	Driver      string            `json:"driver"`
	Serial      string            `json:"serial,omitempty"`
	BoardSerial string            `json:"board_serial,omitempty"`
	Fixed       map[string]string `json:"fixed,omitempty"`
	Running     map[string]string `json:"running,omitempty"`
	Stored      map[string]string `json:"stored,omitempty"`
}

// reporter is devlink.Reporter as a document.
type reporter struct {
	Device     string  `json:"device"`
	Port       *uint32 `json:"port,omitempty"`
	Name       string  `json:"name"`
	Healthy    bool    `json:"healthy"`
	Errors     uint64  `json:"errors"`
	Recoveries uint64  `json:"recoveries"`
}

// asked is what is asked of devlink.
type asked interface {
	Info(context.Context, devlink.Device) (devlink.Info, error)
	Reporters(context.Context) ([]devlink.Reporter, error)
}

// Devlink gives what devlink has: the info of PFs, and all health reporters.
func Devlink(ctx context.Context, pfs []pci.Address) (_ []File, err error) {
	c, err := devlink.Dial()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return devlinkFiles(ctx, c, pfs)
}

func devlinkFiles(ctx context.Context, c asked, pfs []pci.Address) ([]File, error) {
	var errs []error
	infos := map[string]info{}
	for _, a := range pfs {
		dev := devlink.DeviceOf(a)
		i, err := c.Info(ctx, dev)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		infos[dev.String()] = info(i)
	}
	files := []File{}
	if len(infos) > 0 {
		files = append(files, JSON("devlink/info.json", infos))
	}
	all, err := c.Reporters(ctx)
	errs = append(errs, err)
	health := make([]reporter, 0, len(all))
	for _, r := range all {
		health = append(health, reporter{r.Device.String(), r.Port, r.Name, r.Healthy, r.Errors, r.Recoveries})
	}
	if err == nil {
		files = append(files, JSON("devlink/health.json", health))
	}
	return files, errors.Join(errs...)
}

// JSON is a document as a file. What cannot be one is said in its place.
func JSON(name string, v any) File {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		text = fmt.Appendf(nil, "this could not be written as JSON: %v", err)
	}
	return File{Name: name, Text: append(text, '\n')}
}
