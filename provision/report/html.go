// SPDX-License-Identifier: Apache-2.0

package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/style"
)

//go:embed report.html.tmpl
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"throughput": throughput,
	"cpu":        cpuPerGB,
	"sent":       sent,
	"moved":      moved,
	"dash":       style.OrDash,
	"plain":      Judged.plain,
	"left":       func(l step.Left) string { return strings.TrimPrefix(ansi.Strip(Left(l)), "= ") },
	"said":       saidLines,
	"look":       style.Page,
	"line":       func(s step.Step) string { return ansi.Strip(Line(s)) },
}).Parse(pageText))

type pageData struct {
	R        *Report
	Run      string
	Tally    string
	Outcome  string
	Sections []*section
	Caveats  []string
	Picture  *picture
	Topology string
}

// HTML writes the report as one page that needs nothing beside it: no network, no
// script. It prints with all evidence shown.
func (r *Report) HTML(w io.Writer) error {
	r = r.printable()
	var host strings.Builder
	if err := r.Host.Print(&host); err != nil {
		return err
	}
	err := page.Execute(w, pageData{
		R: r, Run: r.header(), Tally: r.tally(), Outcome: r.outcome(), Sections: r.sections(), Caveats: r.caveats(),
		Picture: drawHost(r.Host), Topology: ansi.Strip(host.String()),
	})
	if err != nil {
		return fmt.Errorf("writing the report as HTML: %w", err)
	}
	return nil
}
