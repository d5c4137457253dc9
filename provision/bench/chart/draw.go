// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"errors"
	"fmt"
	"html"
	"image/color"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Colours of what is no line. None is black: the SVG writer leaves that out as the
// default, and it could not be turned into another for a dark page.
var (
	paper = color.RGBA{0xff, 0xff, 0xfe, 0xff}
	ink   = color.RGBA{0x1b, 0x1f, 0x24, 0xff}
	soft  = color.RGBA{0x57, 0x60, 0x6a, 0xff}
	grid  = color.RGBA{0xe2, 0xe5, 0xe9, 0xff}
	shade = color.RGBA{0xf3, 0xee, 0xdd, 0xff}
)

// palette has colours that people tell apart who do not see all of them (after Okabe and
// Ito), each of a contrast of 3 to 1 at least with white.
var palette = []color.RGBA{
	{0x6b, 0x70, 0x78, 0xff},
	{0x00, 0x72, 0xb2, 0xff},
	{0x00, 0x8a, 0x64, 0xff},
	{0xd0, 0x58, 0x00, 0xff},
	{0xb8, 0x56, 0x8f, 0xff},
	{0x8a, 0x6d, 0x00, 0xff},
	{0x3b, 0x8f, 0xc4, 0xff},
	{0x80, 0x3e, 0x2f, 0xff},
}

// inches is a size of paper.
type inches struct{ w, h float64 }

// The sizes of paper: of a file and a wide screen, and of a phone.
var (
	wide   = inches{8, 4.6}
	narrow = inches{4, 4.2}
)

const (
	resolution = 144 // dots an inch of a PNG
	steps      = 12  // of a line from point to point
)

// ErrEmpty is that of a chart without a figure.
var ErrEmpty = errors.New("drawing a chart: there is no figure to draw")

// SVG writes the chart as SVG.
func (c *Chart) SVG(w io.Writer) error { return c.svg(w, wide, true) }

// svg draws on paper where it is to be a file: that may be shown on a page of any colour.
func (c *Chart) svg(w io.Writer, size inches, onPaper bool) error {
	canvas := vgsvg.New(vg.Length(size.w)*vg.Inch, vg.Length(size.h)*vg.Inch)
	if onPaper {
		canvas.SetColor(paper)
		canvas.Fill(vg.Rectangle{Max: vg.Point{X: vg.Length(size.w) * vg.Inch, Y: vg.Length(size.h) * vg.Inch}}.Path())
	}
	if err := c.paint(draw.New(canvas), size); err != nil {
		return err
	}
	var b strings.Builder
	if _, err := canvas.WriteTo(&b); err != nil {
		return fmt.Errorf("drawing the chart %q as SVG: %w", c.Title, err)
	}
	// It names the font that it measured by, and a browser without it would take one with serifs.
	out := strings.ReplaceAll(measured(b.String()), "font-family:Liberation Sans;", "font-family:Liberation Sans,Arial,Helvetica,sans-serif;")
	if _, err := io.WriteString(w, out); err != nil {
		return fmt.Errorf("writing the chart %q as SVG: %w", c.Title, err)
	}
	return nil
}

// textOf is a text as vgsvg writes it: what is before its style, its weight, its size, itself.
var textOf = regexp.MustCompile(`(?s)<text ([^>]*?font-weight:(\w+);[^>]*?font-size:([0-9.]+)px[^>]*)>([^<]*)</text>`)

// measured says how long each text of a drawing is by the font that it was measured by: one
// that a browser takes in its place is often wider, and would be cut off at the edge.
func measured(svg string) string {
	return textOf.ReplaceAllStringFunc(svg, func(tag string) string {
		m := textOf.FindStringSubmatch(tag)
		size, err := strconv.ParseFloat(m[3], 64)
		words := html.UnescapeString(m[4])
		if err != nil || strings.TrimSpace(words) == "" {
			return tag
		}
		style := text.Style{Font: sans(size), Handler: handler()}
		if m[2] == "bold" {
			style.Font.Weight = bold
		}
		return fmt.Sprintf(`<text textLength="%.2f" lengthAdjust="spacingAndGlyphs" %s>%s</text>`, style.Width(words).Points(), m[1], m[4])
	})
}

// PNG writes the chart as PNG.
func (c *Chart) PNG(w io.Writer) error {
	canvas := vgimg.NewWith(vgimg.UseWH(vg.Length(wide.w)*vg.Inch, vg.Length(wide.h)*vg.Inch), vgimg.UseDPI(resolution), vgimg.UseBackgroundColor(paper))
	if err := c.paint(draw.New(canvas), wide); err != nil {
		return err
	}
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(w); err != nil {
		return fmt.Errorf("drawing the chart %q as PNG: %w", c.Title, err)
	}
	return nil
}

// bold is a weight of a font.
const bold = 3

func sans(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Length(size)}
}

// handler is of this chart alone: no default of the package is touched.
func handler() text.Handler { return text.Plain{Fonts: font.DefaultCache} }

// logScale is that of plot, but for an axis whose ends are equal.
type logScale struct{}

// Normalize places v between the ends of an axis.
func (logScale) Normalize(low, high, v float64) float64 {
	return math.Log(v/low) / math.Log(high/low)
}

// marker gives plot our ticks.
type marker struct {
	unit  Unit
	every int // which of the decades have a label
}

// Ticks are those between two ends of an axis.
func (m marker) Ticks(low, high float64) []plot.Tick {
	var out []plot.Tick
	for _, t := range ticks(low, high, m.unit) {
		if e := int(math.Round(math.Log10(t.value))); t.label != "" && m.every > 1 && e%m.every != 0 {
			t.label = " " // still a mark as long as the others'
		}
		out = append(out, plot.Tick{Value: t.value, Label: t.label})
	}
	return out
}

// paint draws the chart: the plot, with a margin at the right in which the labels stand at the ends of the lines.
func (c *Chart) paint(canvas draw.Canvas, size inches) error {
	x0, x1, y0, y1, ok := c.limits()
	if !ok {
		return ErrEmpty
	}
	p := plot.New()
	p.TextHandler = handler()
	p.BackgroundColor = nil
	c.axes(p, size)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = x0/1.12, x1*1.12, y0*0.8, y1*1.25
	lines := plotter.NewGrid()
	lines.Vertical.Color, lines.Horizontal.Color = grid, grid
	for _, b := range c.Bands {
		band, err := plotter.NewPolygon(plotter.XYs{{X: max(b.From, p.X.Min), Y: p.Y.Min}, {X: min(b.To, p.X.Max), Y: p.Y.Min}, {X: min(b.To, p.X.Max), Y: p.Y.Max}, {X: max(b.From, p.X.Min), Y: p.Y.Max}})
		if err != nil {
			return fmt.Errorf("drawing the chart %q: %w", c.Title, err)
		}
		band.Color, band.Width = shade, 0
		p.Add(band)
	}
	p.Add(lines)
	for _, s := range c.Series {
		if err := c.addSeries(p, s); err != nil {
			return fmt.Errorf("drawing the chart %q, %s: %w", c.Title, s.Label, err)
		}
	}
	labels := c.labels(size)
	top := c.heading(canvas, size)
	under := vg.Points(18) // for the words of the x axis
	area := draw.Crop(canvas, vg.Points(6), -labels.width, under, -top)
	p.Draw(area)
	data := p.DataCanvas(area)
	words := text.Style{Color: soft, Font: sans(9.5), XAlign: text.XCenter, Handler: handler()}
	canvas.FillText(words, vg.Point{X: data.Center().X, Y: canvas.Min.Y + vg.Points(6)}, c.X.Label)
	c.ends(canvas, p, data, labels)
	return nil
}

func (c *Chart) axes(p *plot.Plot, size inches) {
	// The words of the axes are drawn by paint: plot makes room for them where a linear axis would have its middle.
	x0, x1, _, _, _ := c.limits()
	every := 1
	if math.Log10(x1/x0) > size.w*1.1 {
		every = 2
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = marker{c.X.Unit, every}, marker{c.Y.Unit, 1}
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Scale = logScale{}
		a.Padding = 0
		a.Tick.Label.Font, a.Tick.Label.Color, a.Tick.Label.Handler = sans(9.5), ink, handler()
		a.Color, a.Tick.Color = soft, soft
	}
}

func (c *Chart) addSeries(p *plot.Plot, s Series) error {
	colour := palette[s.Colour%len(palette)]
	var points, path plotter.XYs
	var errs plotter.YErrors
	for i, q := range s.Points {
		for k := range steps {
			if i > 0 && k > 0 {
				before := s.Points[i-1]
				x := before.X * math.Pow(q.X/before.X, float64(k)/steps)
				path = append(path, plotter.XY{X: x, Y: c.between(before, q, x)})
			}
		}
		path = append(path, plotter.XY{X: q.X, Y: q.Y.Value})
		low, high := q.bar()
		points = append(points, plotter.XY{X: q.X, Y: q.Y.Value})
		errs = append(errs, struct{ Low, High float64 }{q.Y.Value - low, high - q.Y.Value})
	}
	bars, err := plotter.NewYErrorBars(struct {
		plotter.XYer
		plotter.YErrorer
	}{points, errs})
	if err != nil {
		return err
	}
	// Not a translucent colour: the SVG writer rounds those, and the page would not know it.
	bars.Color, bars.Width, bars.CapWidth = colour, vg.Points(0.9), vg.Points(5)
	line, err := plotter.NewLine(path)
	if err != nil {
		return err
	}
	dots, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	line.Color, line.Width = colour, vg.Points(2)
	dots.Color, dots.Shape, dots.Radius = colour, draw.CircleGlyph{}, vg.Points(2.8)
	if s.Dashed {
		line.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
		dots.Shape = draw.RingGlyph{}
	}
	p.Add(bars, line, dots)
	return nil
}
