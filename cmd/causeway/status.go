package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"causeway/internal/control"
)

func newStatus(socket *string) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "show what is configured, wanted and actual; exits with 3 if a wanted connection is down",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := control.NewClient(*socket).Status(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if s.Connections, err = only(s.Connections, args[0]); err != nil {
					return err
				}
			}
			if err := printStatus(cmd.OutOrStdout(), s, output, len(args) == 1); err != nil {
				return err
			}
			return outage(s)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, wide or json")
	return cmd
}

func only(connections []control.Connection, name string) ([]control.Connection, error) {
	for _, c := range connections {
		if c.Name == name {
			return []control.Connection{c}, nil
		}
	}
	return nil, fmt.Errorf("no connection is named %q; causeway status lists them", name)
}

// outage is an exit code if a wanted connection is not up.
func outage(s control.Status) error {
	for _, c := range s.Connections {
		if c.Wanted == "up" && c.State != "up" && c.State != "rekeying" {
			return &exitError{code: exitDown}
		}
	}
	return nil
}

func printStatus(w io.Writer, s control.Status, output string, one bool) error {
	switch {
	case output == "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	case output != "table" && output != "wide":
		return fmt.Errorf("-o %s: allowed are table, wide and json", output)
	case one:
		printConnection(w, s.Connections[0])
		return nil
	}
	g := s.Gateway
	fmt.Fprintf(w, "%s: %s, interface %s, MTU %d, up %v\n\n", g.Name, g.Version, g.Interface, g.MTU, time.Duration(g.UptimeS)*time.Second)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	header := "NAME\tWANTED\tSTATE\tREMOTE\tNETWORKS\tIN\tOUT\tSINCE"
	if output == "wide" {
		header += "\tIDENTITY\tIKE SUITE\tESP SUITE\tNAT\tREKEY\tDROPS"
	}
	fmt.Fprintln(table, header)
	for _, c := range s.Connections {
		fmt.Fprintln(table, row(c, output == "wide"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	printErrors(w, s.Connections)
	return nil
}

func row(c control.Connection, wide bool) string {
	remote, since := c.Remote, ""
	if c.IKE != nil {
		remote, since = c.IKE.Remote, ago(c.IKE.EstablishedAt)
	}
	in, out := traffic(c)
	cells := []string{c.Name, c.Wanted, c.State, remote, strings.Join(c.RemoteNetworks, ","), size(in), size(out), since}
	if !wide {
		return strings.Join(cells, "\t")
	}
	identity, ikeSuite, nat, espSuite, rekey := "", "", "", "", ""
	if c.IKE != nil {
		identity, ikeSuite, nat = c.IKE.RemoteIdentity, c.IKE.Suite, c.IKE.NAT
	}
	if len(c.Children) > 0 {
		espSuite, rekey = c.Children[0].Suite, until(c.Children[0].RekeyAt)
	}
	var drops uint64
	for _, n := range c.Drops {
		drops += n
	}
	return strings.Join(append(cells, identity, ikeSuite, espSuite, nat, rekey, fmt.Sprint(drops)), "\t")
}

// printErrors shows why connections that are not up are not.
func printErrors(w io.Writer, connections []control.Connection) {
	for _, c := range connections {
		if c.LastError == nil || c.State == "up" || c.State == "rekeying" {
			continue
		}
		fmt.Fprintf(w, "\n%s: %s (%s, %s)\n%s", c.Name, c.LastError.Message, c.LastError.Reason, ago(&c.LastError.At), c.LastError.Details())
		if c.LastError.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", c.LastError.Hint)
		}
		if c.NextAttempt != nil {
			fmt.Fprintf(w, "  next attempt %s, after %d failed\n", until(c.NextAttempt), c.Attempt)
		}
	}
}

// printConnection shows everything about one connection.
func printConnection(w io.Writer, c control.Connection) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(table, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "%s: %s (wanted %s)\n", c.Name, c.State, c.Wanted)
	line("networks", "%s === %s", strings.Join(c.LocalNetworks, ","), strings.Join(c.RemoteNetworks, ","))
	if i := c.IKE; i != nil {
		line("IKE SA", "IKEv%d %s, %s_i %s_r", i.Version, i.Role, i.SPIi, i.SPIr)
		line("  endpoints", "%s ... %s, NAT: %s", i.Local, i.Remote, i.NAT)
		line("  identities", "%s ... %s", i.LocalIdentity, i.RemoteIdentity)
		line("  suite", "%s", i.Suite)
		line("  times", "established %s, rekey %s", ago(i.EstablishedAt), until(i.RekeyAt))
	}
	for _, child := range c.Children {
		line("Child SA", "%s_in %s_out, ESP in %s", child.SPIIn, child.SPIOut, strings.ToUpper(child.Encapsulation))
		line("  selectors", "%s === %s", strings.Join(child.LocalSelectors, ","), strings.Join(child.RemoteSelectors, ","))
		line("  suite", "%s", child.Suite)
		line("  traffic", "in %d packets %s, out %d packets %s", child.PacketsIn, size(child.BytesIn), child.PacketsOut, size(child.BytesOut))
		line("  times", "established %s, rekey %s", ago(&child.EstablishedAt), until(child.RekeyAt))
	}
	table.Flush()
	printErrors(w, []control.Connection{c})
}

func traffic(c control.Connection) (in, out uint64) {
	for _, child := range c.Children {
		in, out = in+child.BytesIn, out+child.BytesOut
	}
	return in, out
}

// size is a number of bytes as people write it.
func size(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	value, unit := float64(n), 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

func ago(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return time.Since(*t).Round(time.Second).String() + " ago"
}

func until(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "never"
	}
	return "in " + time.Until(*t).Round(time.Second).String()
}
