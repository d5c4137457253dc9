// SPDX-License-Identifier: Apache-2.0

package compare

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/nicwright/nicwright/internal/style"
)

//go:embed compare.html.tmpl
var pageText string

var page = template.Must(template.New("compare").Funcs(template.FuncMap{"look": style.Page}).Parse(pageText))

// group are the findings of a class.
type group struct {
	Class    Class
	Colour   string
	Findings []row
}

type row struct {
	Finding
	Head  string
	Words []string // what is said of it, beside what was and is
}

// HTML writes the comparison as one page, both sides beside one another, that needs nothing
// beside it: no network, no script.
func (c *Comparison) HTML(w io.Writer) error {
	data := struct {
		*Comparison
		Heading, Advice, Colour, Tally string
		Groups                         []group
	}{Comparison: c, Heading: c.Heading(), Advice: c.Advice(), Colour: "good", Tally: c.tally()}
	for _, class := range Classes {
		all := c.Of(class)
		if len(all) == 0 {
			continue
		}
		g := group{Class: class, Colour: map[Class]string{Broken: "bad", Known: "", Noise: "soft"}[class]}
		if class != Broken && class != Known && class != Noise {
			g.Colour = "so"
		}
		for _, f := range all {
			lines := f.lines()
			said := lines[1:]
			if f.change() != "" {
				said = said[1:] // the columns have it
			}
			g.Findings = append(g.Findings, row{f, lines[0], said})
		}
		if len(data.Groups) == 0 && g.Colour != "" && g.Colour != "soft" {
			data.Colour = g.Colour
		}
		data.Groups = append(data.Groups, g)
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("writing the comparison as HTML: %w", err)
	}
	return nil
}
