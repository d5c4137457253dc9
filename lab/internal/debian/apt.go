// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

// Apt runs apt with configuration, package lists and downloads in a directory
// of its own, so that a root holds nothing but packages.
type Apt struct {
	box sandbox.Box
	// dir is that directory, and seen the name by which apt knows it.
	dir, seen string
}

// inRoot is where a root sees the directory of an Apt; bootstrap makes it.
const inRoot = "/lab/apt"

// keyring has the keys of Debian's archive on every Debian: apt depends on its package.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// keptOptions are the groups of the host's apt configuration without which
// its mirror may not be reachable.
var keptOptions = []string{"Acquire::http::", "Acquire::https::", "Acquire::Retries ", "Acquire::ForceIPv4 ", "Acquire::ForceIPv6 "}

// NewApt prepares apt for root with the suite of the mirror; work is an empty
// directory for the lists and downloads, to be removed by the caller. Without
// a root it is the host's apt, which can look up and download, but knows
// nothing of the host's own sources and installs nothing.
func NewApt(ctx context.Context, root, work, mirror, suite string, log io.Writer) (*Apt, error) {
	for _, d := range []string{"lists/partial", "archives/partial", "auth.conf.d", "files"} {
		if err := os.MkdirAll(filepath.Join(work, d), 0o755); err != nil {
			return nil, fmt.Errorf("prepare apt: %w", err)
		}
	}
	dump, err := exec.CommandContext(ctx, "apt-config", "dump").Output()
	if err != nil {
		return nil, fmt.Errorf("read the machine's apt configuration with apt-config: %w", err)
	}
	conf := &strings.Builder{}
	for line := range strings.Lines(string(dump)) {
		for _, p := range keptOptions {
			if strings.HasPrefix(line, p) {
				conf.WriteString(line)
			}
		}
	}
	seen := inRoot
	if root == "" {
		seen = work
	}
	fmt.Fprintf(conf, `Dir::State::lists "%[1]s/lists/";
Dir::Cache::archives "%[1]s/archives/";
Dir::Cache::pkgcache "%[1]s/pkgcache.bin";
Dir::Cache::srcpkgcache "%[1]s/srcpkgcache.bin";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::netrc "%[1]s/auth.conf";
Dir::Etc::netrcparts "%[1]s/auth.conf.d";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Dpkg::Use-Pty "0";
`, seen)
	files := map[string]string{
		"apt.conf":     conf.String(),
		"sources.list": fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, mirror, suite),
		"auth.conf":    "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("prepare apt: %w", err)
		}
	}
	// Mounted and not copied: a password of the host's is never written to the cache.
	hosts := map[string]string{"/etc/apt/auth.conf": seen + "/auth.conf", "/etc/apt/auth.conf.d": seen + "/auth.conf.d"}
	var binds []sandbox.Bind
	if root != "" {
		binds = append(binds, sandbox.Bind{From: work, To: inRoot})
		for _, same := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs"} {
			hosts[same] = same
		}
	}
	for from, to := range hosts {
		if _, err := os.Stat(from); err == nil {
			binds = append(binds, sandbox.Bind{From: from, To: to, ReadOnly: true})
		}
	}
	a := &Apt{
		box: sandbox.Box{Root: root, Binds: binds, Env: []string{"APT_CONFIG=" + seen + "/apt.conf"}, Log: log},
		dir: work, seen: seen,
	}
	if _, err := a.box.Run(ctx, "apt-get", "update", "-q"); err != nil {
		return nil, fmt.Errorf("read the package lists of %s %s: %w", mirror, suite, err)
	}
	return a, nil
}

// Install installs packages, without recommended ones.
func (a *Apt) Install(ctx context.Context, packages ...string) error {
	if _, err := a.box.Run(ctx, append([]string{"apt-get", "install", "-y", "-q"}, packages...)...); err != nil {
		return fmt.Errorf("install packages: %w", err)
	}
	return nil
}

// Names returns the names of all packages that begin with prefix.
func (a *Apt) Names(ctx context.Context, prefix string) ([]string, error) {
	out, err := a.box.Run(ctx, "apt-cache", "pkgnames", prefix)
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	return strings.Fields(out), nil
}

// Depends returns the packages that a package depends on directly.
func (a *Apt) Depends(ctx context.Context, name string) ([]string, error) {
	out, err := a.box.Run(ctx, "apt-cache", "depends", "--important", name)
	if err != nil {
		return nil, fmt.Errorf("read the dependencies of %s: %w", name, err)
	}
	var deps []string
	for line := range strings.Lines(out) {
		if _, dep, ok := strings.Cut(line, "Depends: "); ok {
			deps = append(deps, strings.Trim(dep, "<> \n"))
		}
	}
	return deps, nil
}

// Version returns the version of a package that apt would install.
func (a *Apt) Version(ctx context.Context, name string) (string, error) {
	out, err := a.box.Run(ctx, "apt-cache", "policy", name)
	if err != nil {
		return "", fmt.Errorf("read the version of %s: %w", name, err)
	}
	for line := range strings.Lines(out) {
		if _, v, ok := strings.Cut(line, "Candidate: "); ok && strings.TrimSpace(v) != "(none)" {
			return strings.TrimSpace(v), nil
		}
	}
	return "", fmt.Errorf("the mirror has no package %s", name)
}

// Download fetches packages, each by its name or as name=version, and returns their files by name.
func (a *Apt) Download(ctx context.Context, packages ...string) (map[string]string, error) {
	script := `cd "$0/files" && exec apt-get download -q "$@"`
	if _, err := a.box.Run(ctx, append([]string{"sh", "-c", script, a.seen}, packages...)...); err != nil {
		return nil, fmt.Errorf("download packages: %w", err)
	}
	files := map[string]string{}
	for _, p := range packages {
		p, _, _ = strings.Cut(p, "=")
		found, err := filepath.Glob(filepath.Join(a.dir, "files", p+"_*.deb"))
		if err != nil {
			return nil, fmt.Errorf("find the file of %s: %w", p, err)
		}
		if len(found) != 1 {
			return nil, fmt.Errorf("%d files were downloaded for %s, not one", len(found), p)
		}
		files[p] = found[0]
	}
	return files, nil
}

// Ensure installs on the host those of the packages whose program is missing:
// programs maps a program's name to the package that has it.
func Ensure(ctx context.Context, programs map[string]string, log func(string, ...any)) error {
	var missing []string
	for program, pkg := range programs {
		if _, err := exec.LookPath(program); errors.Is(err, exec.ErrNotFound) {
			// A root shell made by su or sudo may lack the sbin directories.
			if _, err := os.Stat("/usr/sbin/" + program); err != nil {
				missing = append(missing, pkg)
			}
		} else if err != nil {
			return fmt.Errorf("look for %s: %w", program, err)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	log("installing on this machine: %s", strings.Join(missing, " "))
	if os.Geteuid() != 0 {
		return fmt.Errorf("%s must be installed, and that needs root: run as root, or run: apt-get install --no-install-recommends %s",
			strings.Join(missing, ", "), strings.Join(missing, " "))
	}
	for _, args := range [][]string{
		{"apt-get", "update", "-q"},
		append([]string{"apt-get", "install", "-y", "-q", "--no-install-recommends"}, missing...),
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		out, err := cmd.CombinedOutput()
		// A machine with a broken third source can still install from its other ones.
		if err != nil && args[1] != "update" {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}
