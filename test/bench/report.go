package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// row is one line of a table.
type row struct {
	title  string
	test   string
	value  func(sample) float64
	format string
	less   bool // less is better
}

var throughputRows = []row{
	{"TCP, 1 flow, Gbit/s", "tcp", gigabits, "%.2f", false},
	{"TCP, 4 flows, Gbit/s", "tcp4", gigabits, "%.2f", false},
	{"TCP, 1 flow, reverse, Gbit/s", "reverse", gigabits, "%.2f", false},
	{"UDP, 1200 bytes, kpacket/s", "udp1200", kilopackets, "%.0f", false},
	{"UDP, 64 bytes, kpacket/s", "udp64", kilopackets, "%.0f", false},
	{"ping, idle, ms", "ping", func(s sample) float64 { return s.ping }, "%.2f", true},
	{"ping, under 4 TCP flows, ms", "pingload", func(s sample) float64 { return s.ping }, "%.2f", true},
}

var cpuRows = []row{
	{"TCP, 1 flow", "tcp", cpuSeconds, "%.2f", true},
	{"TCP, 4 flows", "tcp4", cpuSeconds, "%.2f", true},
	{"TCP, 1 flow, reverse", "reverse", cpuSeconds, "%.2f", true},
}

var packetRows = []row{
	{"UDP, 1200 bytes", "udp1200", cpuPerPackets(1200), "%.1f", true},
	{"UDP, 64 bytes", "udp64", cpuPerPackets(64), "%.1f", true},
}

func gigabits(s sample) float64    { return s.bits / 1e9 }
func kilopackets(s sample) float64 { return s.packets / 1e3 }
func cpuSeconds(s sample) float64  { return s.cpu }

// cpuPerPackets is CPU seconds for each million datagrams of that size.
func cpuPerPackets(size int) func(sample) float64 {
	return func(s sample) float64 { return s.cpu * float64(size) / 1e3 }
}

// report is the Markdown of everything that was measured.
func report(o options, facts []fact, contenders []*contender, r results) string {
	var b strings.Builder
	for _, f := range facts {
		fmt.Fprintf(&b, "- %s: %s\n", f.name, f.value)
	}
	var mtus []string
	for _, c := range contenders {
		mtus = append(mtus, c.name+" "+c.mtu)
	}
	fmt.Fprintf(&b, "- MTU inside: %s\n", strings.Join(mtus, ", "))
	if o.note != "" {
		fmt.Fprintf(&b, "- note: %s\n", o.note)
	}
	b.WriteString("\nThroughput and delay: medians, and in brackets the lowest and highest.\n\n")
	b.WriteString(table(o, throughputRows, r))
	b.WriteString("\nCPU seconds of both gateway processes for each gigabyte received; less is better.\n\n")
	b.WriteString(table(o, cpuRows, r))
	b.WriteString("\nCPU seconds of both gateway processes for each million datagrams received; less is better.\n\n")
	b.WriteString(table(o, packetRows, r))
	return b.String()
}

// comparison is a column of ratios of medians, which are above 1 where they are in
// favour of ours.
type comparison struct{ title, ours, theirs string }

var comparisons = []comparison{
	{"better than " + swan + " by", causeway, swan},
	{"better than " + wireguard + " by", causeway, wireguard},
	{causeway + " of " + raw, causeway, raw},
	{standard + " better than " + wireguard + " by", standard, wireguard},
}

// table has a column for each contender, and ratios where both that they compare
// took part.
func table(o options, rows []row, r results) string {
	var compared []comparison
	for _, c := range comparisons {
		if slices.Contains(o.only, c.ours) && slices.Contains(o.only, c.theirs) {
			compared = append(compared, c)
		}
	}
	header := append([]string{""}, o.only...)
	for _, c := range compared {
		header = append(header, c.title)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(header, " | "), strings.Repeat("---|", len(header)))
	for _, row := range rows {
		if r[row.test] == nil {
			continue
		}
		cells := []string{row.title}
		medians := map[string]float64{}
		for _, name := range o.only {
			values := row.values(r[row.test][name])
			medians[name] = median(values)
			cells = append(cells, row.cell(values))
		}
		for _, c := range compared {
			cells = append(cells, ratio(medians[c.ours], medians[c.theirs], row.less))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String()
}

func (row row) values(samples []sample) []float64 {
	var list []float64
	for _, s := range samples {
		list = append(list, row.value(s))
	}
	return list
}

func (row row) cell(values []float64) string {
	if slices.Max(values) == 0 {
		return "–" // no process to ask
	}
	one := func(v float64) string { return fmt.Sprintf(row.format, v) }
	if len(values) == 1 {
		return one(values[0])
	}
	return fmt.Sprintf("%s (%s–%s)", one(median(values)), one(slices.Min(values)), one(slices.Max(values)))
}

func ratio(ours, theirs float64, less bool) string {
	if less {
		ours, theirs = theirs, ours
	}
	if ours == 0 || theirs == 0 {
		return "–"
	}
	r := ours / theirs
	if r < 1 {
		return fmt.Sprintf("**%.2f**", r)
	}
	return fmt.Sprintf("**%.1f**", r)
}

const (
	begin = "<!-- begin results: written by make bench -->\n"
	end   = "<!-- end results -->\n"
)

// rewrite puts the text between the markers of the page.
func rewrite(page, text string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, both := strings.Cut(rest, end)
	if !ok || !both {
		return fmt.Errorf("%s has no lines %q and %q", page, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(page, []byte(head+begin+"\n"+text+"\n"+end+tail), 0o644)
}
