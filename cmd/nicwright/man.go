// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// newMan is for whoever makes a package. It is hidden: an operator has the pages.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "Write the manual pages of all verbs into a directory",
		Hidden: true,
		Long: `man writes nicwright.1 and a page for each verb. Their date is SOURCE_DATE_EPOCH,
else the time of the commit that this was built from, else now.`,
		Example: "  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) nicwright man ./man1",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			date, err := pageDate(os.Getenv("SOURCE_DATE_EPOCH"))
			if err != nil {
				return err
			}
			root := newRoot() // of its own: its texts are changed
			root.InitDefaultCompletionCmd()
			return writePages(root, args[0], date)
		},
	}
}

// pageDate is in UTC: a page does not depend on where it is made.
func pageDate(epoch string) (time.Time, error) {
	if epoch != "" {
		s, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return time.Time{}, exitStatus{exitUsage, fmt.Errorf("SOURCE_DATE_EPOCH=%q: it is a number of seconds since 1970, as `git log -1 --format=%%ct` prints it", epoch)}
		}
		return time.Unix(s, 0).UTC(), nil
	}
	if at, ok := commitTime(buildInfo()); ok {
		return at, nil
	}
	return time.Now().UTC(), nil
}

// writePages writes the page of a command and those of the commands below it.
func writePages(c *cobra.Command, dir string, date time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the directory of the manual pages: %w", err)
	}
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := writePages(sub, dir, date); err != nil {
			return err
		}
	}
	text, err := page(c, date)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
	// Beside the page: not in $TMPDIR, which may be somebody else's.
	if err := renameio.WriteFile(path, text, 0o644, renameio.WithTempDir(dir)); err != nil {
		return fmt.Errorf("writing the manual page %s: %w", path, err)
	}
	return nil
}

// page is a command's manual page in troff.
func page(c *cobra.Command, date time.Time) ([]byte, error) {
	c.DisableAutoGenTag = true
	// The library takes texts for Markdown, in which NICWRIGHT_* would begin a slanted word.
	c.Long = markdown(cmp.Or(c.Long, c.Short))
	c.Short = markdown(c.Short)
	seen := map[*pflag.Flag]string{}
	for _, set := range []*pflag.FlagSet{c.NonInheritedFlags(), c.InheritedFlags()} {
		set.VisitAll(func(f *pflag.Flag) {
			seen[f] = f.Usage
			f.Usage = markdown(f.Usage)
		})
	}
	var b bytes.Buffer
	err := doc.GenMan(c, &doc.GenManHeader{Section: "1", Date: &date, Source: "nicwright", Manual: "nicwright"}, &b)
	for f, usage := range seen {
		f.Usage = usage // an inherited flag is on more pages than this
	}
	if err != nil {
		return nil, fmt.Errorf("making the manual page of %s: %w", c.CommandPath(), err)
	}
	if !c.HasParent() {
		b.WriteString(manualTail)
	}
	return b.Bytes(), nil
}

// markdown escapes what Markdown would take for markup.
func markdown(text string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "#", `\#`).Replace(text)
}

// manualTail is what nicwright(1) has besides its flags.
const manualTail = `.SH EXIT STATUS
.TP
\fB0\fP
done, or nothing to do
.TP
\fB1\fP
an error: what was being done, to what, what the kernel answered, what to do
.TP
\fB2\fP
the plan has steps
.TP
\fB3\fP
verification failed
.TP
\fB64\fP
the command line is wrong
.SH ENVIRONMENT
.TP
\fBNICWRIGHT_PROFILE\fP, \fBNICWRIGHT_STATE_DIR\fP and so on
a flag that is not given, its name in upper case with _ for \-
.TP
\fBNICWRIGHT_CARDS__NIC0__PORTS__P0__VFS\fP and so on
a value of the profile, see \fBnicwright\-profile(1)\fP
.TP
\fBNO_COLOR\fP
no colour
.SH FILES
.TP
\fI/etc/nicwright/config.yaml\fP
flags that are always given, by their names
.TP
\fI/etc/nicwright/profiles/NAME.yaml\fP, \fI/etc/nicwright/profiles.d/NAME/*.yaml\fP
profiles, and what is laid over them
.TP
\fI/var/lib/nicwright/operations/\fP
the journal: what was done here, and what was before
.TP
\fI/run/nicwright/lock\fP
who is changing this host
.TP
\fI/run/nicwright/verify.json\fP
while a proof runs: how its VFs go back
`
