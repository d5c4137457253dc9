// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"image/color"
	"io"
	"regexp"
	"strings"
)

//go:embed page.html.tmpl
var pageText string

var page = template.Must(template.New("charts").Parse(pageText))

// drawing is a chart as the page has it.
type drawing struct {
	*Chart
	Wide, Narrow template.HTML
	Rows         []tableRow // the figures, for who cannot see the picture
	Columns      []string
}

type tableRow struct {
	Label string
	Cells []string
}

// HTML writes the charts as one page that needs nothing beside it: no network, no
// script. It is light or dark as the reader's system is, and readable on a phone.
func HTML(w io.Writer, title string, charts []Named) error {
	data := struct {
		Title  string
		Colour []themed
		Charts []drawing
	}{Title: title, Colour: theme()}
	for _, c := range charts {
		d := drawing{Chart: c.Chart}
		var err error
		if d.Wide, err = c.inline(wide); err != nil {
			return err
		}
		if d.Narrow, err = c.inline(narrow); err != nil {
			return err
		}
		d.table()
		data.Charts = append(data.Charts, d)
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("writing the charts as HTML: %w", err)
	}
	return nil
}

// themed is a colour that the page turns into another on a dark background.
type themed struct{ Name, Light, Dark string }

// theme has the colours that are drawn with, and what they are on a dark page.
func theme() []themed {
	dark := []string{"#9aa3ad", "#5ab0f0", "#3fc79a", "#f59149", "#e59ac4", "#d6bd4e", "#8fd0f5", "#d99683"}
	out := []themed{
		{"paper", hex(paper), "#14181d"},
		{"ink", hex(ink), "#e6e9ec"},
		{"soft", hex(soft), "#a3adb8"},
		{"grid", hex(grid), "#2b323a"},
		{"shade", hex(shade), "#2e2a1c"},
	}
	for i, c := range palette {
		out = append(out, themed{fmt.Sprintf("line%d", i), hex(c), dark[i]})
	}
	return out
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }

// root is the opening tag of what vgsvg writes, and what is before it.
var root = regexp.MustCompile(`(?s)^.*?<svg [^>]*?viewBox="([^"]*)"[^>]*>`)

// inline is the chart as SVG within a page: as wide as its place, its colours those of the page.
func (c *Chart) inline(size inches) (template.HTML, error) {
	var b bytes.Buffer
	if err := c.svg(&b, size, false); err != nil {
		return "", err
	}
	m := root.FindSubmatch(b.Bytes())
	if m == nil {
		return "", fmt.Errorf("drawing the chart %q: the SVG has no viewBox", c.Title)
	}
	body := string(b.Bytes()[len(m[0]):])
	for _, t := range theme() {
		body = strings.ReplaceAll(body, t.Light, "var(--"+t.Name+")")
	}
	// The text is that of vgsvg, which escapes what it is given.
	return template.HTML(fmt.Sprintf(`<svg viewBox="%s" role="img" aria-label="%s">`, m[1], template.HTMLEscapeString(c.Title)) + body), nil //nolint:gosec // see above
}

// table has the figures by x.
func (d *drawing) table() {
	var xs []float64
	for _, s := range d.Series {
		for _, p := range s.Points {
			i := 0
			for i < len(xs) && xs[i] < p.X {
				i++
			}
			if i == len(xs) || xs[i] != p.X {
				xs = append(xs[:i], append([]float64{p.X}, xs[i:]...)...)
			}
		}
	}
	for _, x := range xs {
		d.Columns = append(d.Columns, d.X.Unit.Text(x))
	}
	for _, s := range d.Series {
		row := tableRow{Label: s.Label}
		for _, x := range xs {
			text := ""
			for _, p := range s.Points {
				if p.X == x {
					text = d.Y.Unit.Text(p.Y.Value)
					if p.Y.Known() {
						text += fmt.Sprintf(" (%s to %s)", d.Y.Unit.Text(p.Y.Low), d.Y.Unit.Text(p.Y.High))
					}
				}
			}
			row.Cells = append(row.Cells, text)
		}
		d.Rows = append(d.Rows, row)
	}
}
