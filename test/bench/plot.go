package main

import (
	"fmt"
	"html"
	"os"
	"slices"
	"strings"
)

// plot is the picture of the newest results.
const plot = "docs/performance.svg"

// The plot's measures, in pixels.
const (
	plotWidth   = 760
	plotMargin  = 16
	labelWidth  = 210
	valueWidth  = 90
	barHeight   = 16
	barStep     = 22
	titleHeight = 30
	panelGap    = 14
)

// style is for both light and dark pages: a viewer that says nothing is light.
const style = `<style>
  .page { fill: #ffffff }
  text { font: 13px system-ui, "Helvetica Neue", Arial, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .other { fill: #9aa4af }
  .ours { fill: #1a7f64 }
  .extent { stroke: #24292f; stroke-width: 1.5; opacity: .55 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 }
    text { fill: #e6edf3 }
    .other { fill: #6e7681 }
    .ours { fill: #3fb58f }
    .extent { stroke: #e6edf3 }
  }
</style>
`

// draw makes an SVG with a panel for each row and a bar for each contender, as
// long as its median; the thin line is from the lowest to the highest. Each panel
// has a scale of its own that begins at 0.
func draw(o options, rows []row, r results) string {
	var b strings.Builder
	y := plotMargin
	for _, row := range rows {
		if r[row.test] == nil {
			continue
		}
		y += panel(&b, y, o.only, row, r[row.test]) + panelGap
	}
	y += plotMargin - panelGap
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="Throughput and delay of each contender">
%[3]s<rect class="page" width="%[1]d" height="%[2]d"/>
%[4]s</svg>
`, plotWidth, y, style, b.String())
}

// panel draws one row and gives its height.
func panel(b *strings.Builder, y int, names []string, row row, samples map[string][]sample) int {
	better := "more is better"
	if row.less {
		better = "less is better"
	}
	fmt.Fprintf(b, "<text class=\"title\" x=\"%d\" y=\"%d\">%s</text>", plotMargin, y+14, html.EscapeString(row.title))
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", plotWidth-plotMargin, y+14, better)
	most := 0.0
	for _, name := range names {
		if values := row.values(samples[name]); len(values) > 0 {
			most = max(most, slices.Max(values))
		}
	}
	at := y + titleHeight
	for _, name := range names {
		values := row.values(samples[name])
		if len(values) > 0 && most > 0 {
			bar(b, at, name, row, values, most)
		}
		at += barStep
	}
	return at - y
}

func bar(b *strings.Builder, y int, name string, row row, values []float64, most float64) {
	const left, length = plotMargin + labelWidth, plotWidth - 2*plotMargin - labelWidth - valueWidth
	scale := func(v float64) float64 { return v / most * length }
	class := "other"
	if strings.HasPrefix(name, causeway) {
		class = "ours"
	}
	middle, value := y+barHeight/2, median(values)
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", left-8, y+13, html.EscapeString(name))
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>", class, left, y, scale(value), barHeight)
	low, high := scale(slices.Min(values)), scale(slices.Max(values))
	fmt.Fprintf(b, "<line class=\"extent\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", left+low, left+high, middle, middle)
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", left+max(scale(value), high)+8, y+13, fmt.Sprintf(row.format, value))
}

// writePlot draws everything into a file.
func writePlot(file string, o options, r results) error {
	return os.WriteFile(file, []byte(draw(o, throughputRows, r)), 0o644)
}
