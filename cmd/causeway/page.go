package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"causeway/internal/control"
)

// page is text for a terminal, as of now.
type page struct {
	strings.Builder
	now time.Time
}

// writeTo writes the page. What peers sent, such as identities, may not steer
// the terminal.
func (p *page) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, p.String()))
	return err
}

func (p *page) printf(format string, args ...any) { fmt.Fprintf(&p.Builder, format, args...) }

// table is one line for each connection, and why those that are not up are not.
func (p *page) table(s control.Status, wide bool) {
	g := s.Gateway
	p.printf("%s: causeway %s, interface %s, MTU %d, up %s\n", g.Name, g.Version, g.Interface, g.MTU,
		span(time.Duration(g.UptimeS)*time.Second))
	if len(s.Connections) == 0 {
		p.printf("no connections are configured\n")
		return
	}
	p.printf("\n")
	header := []string{"NAME", "WANTED", "STATE", "REMOTE", "NETWORKS", "IN", "OUT", "SINCE"}
	if wide {
		header = append(header, "IDENTITY", "IKE SUITE", "ESP SUITE", "NAT", "REKEY IN", "DROPS")
	}
	rows := tabwriter.NewWriter(&p.Builder, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, strings.Join(header, "\t"))
	for i := range s.Connections {
		fmt.Fprintln(rows, strings.Join(p.row(&s.Connections[i], wide), "\t"))
	}
	rows.Flush() // to a Builder: it cannot fail
	for i := range s.Connections {
		p.lastError(&s.Connections[i])
	}
}

// row is a connection's cells; what is not there is a dash.
func (p *page) row(c *control.Connection, wide bool) []string {
	remote, since := c.Remote, ""
	if c.IKE != nil {
		remote, since = c.IKE.Remote, p.ago(c.IKE.EstablishedAt)
	}
	cells := []string{c.Name, c.Wanted, c.State, remote, list(c.RemoteNetworks, wide), size(c.BytesIn), size(c.BytesOut), since}
	if wide {
		identity, ikeSuite, nat, espSuite, rekey := "", "", "", "", ""
		if c.IKE != nil {
			identity, ikeSuite, nat = c.IKE.RemoteIdentity, c.IKE.Suite, c.IKE.NAT
		}
		if len(c.Children) > 0 {
			espSuite, rekey = c.Children[0].Suite, p.until(c.Children[0].RekeyAt)
		}
		var drops uint64
		for _, n := range c.Drops {
			drops += n
		}
		cells = append(cells, identity, ikeSuite, espSuite, nat, rekey, fmt.Sprint(drops))
	}
	for i, cell := range cells {
		if cell == "" {
			cells[i] = "-"
		}
	}
	return cells
}

// list is all networks, or in a narrow table the first and how many more.
func list(networks []string, all bool) string {
	if all || len(networks) <= 2 {
		return strings.Join(networks, ",")
	}
	return fmt.Sprintf("%s +%d", networks[0], len(networks)-1)
}

// lastError shows why a connection that is not up is not.
func (p *page) lastError(c *control.Connection) {
	if c.LastError == nil || c.Carrying() {
		return
	}
	p.printf("\n%s: %s (%s, %s ago)\n", c.Name, c.LastError.Message, c.LastError.Reason, p.ago(&c.LastError.At))
	p.facts(&c.LastError.Problem)
	if c.NextAttempt != nil {
		next := "now"
		if c.NextAttempt.Sub(p.now) >= time.Second {
			next = "in " + p.until(c.NextAttempt)
		}
		p.printf("  next attempt %s; failed so far: %d\n", next, c.Attempt)
	}
}

// facts are those of both sides of a failure, and what to do.
func (p *page) facts(problem *control.Problem) {
	p.WriteString(problem.Details())
	if problem.Hint != "" {
		p.printf("  hint: %s\n", problem.Hint)
	}
}

// connection is everything about one connection.
func (p *page) connection(c *control.Connection) {
	rows := tabwriter.NewWriter(&p.Builder, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(rows, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	p.printf("%s: %s, wanted %s\n", c.Name, c.State, c.Wanted)
	if c.Remote != "" {
		line("remote", "%s", c.Remote)
	}
	line("networks", "%s === %s", orAny(c.LocalNetworks), orAny(c.RemoteNetworks))
	line("traffic", "in %s, %s; out %s, %s", packets(c.PacketsIn), size(c.BytesIn), packets(c.PacketsOut), size(c.BytesOut))
	line("dropped", "%s", drops(c))
	if c.LimitedInS+c.LimitedOutS > 0 {
		line("limited", "in %s, out %s", limited(c.LimitedInS), limited(c.LimitedOutS))
	}
	for _, path := range c.Paths {
		line("path", "%s is %s, for %s", path.Kind, path.State, span(p.now.Sub(path.Since)))
	}
	if i := c.IKE; i != nil {
		line("IKE SA", "IKEv%d, %s, %s_i %s_r", i.Version, i.Role, i.SPIi, i.SPIr)
		line("  endpoints", "%s === %s, NAT: %s", i.Local, i.Remote, i.NAT)
		line("  identities", "%s === %s", i.LocalIdentity, i.RemoteIdentity)
		line("  suite", "%s", i.Suite)
		line("  age", "%s", p.age(i.EstablishedAt, i.RekeyAt))
	}
	for _, child := range c.Children {
		how := ""
		if child.Mode == "transport" {
			how = ", transport mode"
		}
		if child.Worker > 0 {
			how += fmt.Sprintf(", for worker %d", child.Worker)
		}
		line("Child SA", "%s_in %s_out, ESP in %s%s", child.SPIIn, child.SPIOut, strings.ToUpper(child.Encapsulation), how)
		line("  selectors", "%s === %s", strings.Join(child.LocalSelectors, ","), strings.Join(child.RemoteSelectors, ","))
		line("  suite", "%s", child.Suite)
		line("  traffic", "in %s, %s; out %s, %s",
			packets(child.PacketsIn), size(child.BytesIn), packets(child.PacketsOut), size(child.BytesOut))
		line("  age", "%s", p.age(&child.EstablishedAt, child.RekeyAt))
	}
	rows.Flush() // to a Builder: it cannot fail
	p.lastError(c)
}

func orAny(networks []string) string {
	if len(networks) == 0 {
		return "any"
	}
	return strings.Join(networks, ",")
}

// drops are those that happened, by direction and by reason.
func drops(c *control.Connection) string {
	var out []string
	for _, reason := range slices.Sorted(maps.Keys(c.Drops)) {
		if n := c.Drops[reason]; n > 0 {
			out = append(out, fmt.Sprintf("%s %d", reason, n))
		}
	}
	if len(out) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("in %d, out %d: %s", c.DropsIn, c.DropsOut, strings.Join(out, ", "))
}

func (p *page) age(established, rekey *time.Time) string {
	if rekey == nil {
		return fmt.Sprintf("%s, no rekey planned", p.ago(established))
	}
	return fmt.Sprintf("%s, rekey in %s", p.ago(established), p.until(rekey))
}

// ago and until are empty for no time.
func (p *page) ago(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return span(p.now.Sub(*t))
}

func (p *page) until(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return span(t.Sub(p.now))
}
