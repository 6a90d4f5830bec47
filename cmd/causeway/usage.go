package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"causeway/internal/control"
)

func newUsage(socket *string) *cobra.Command {
	var from, to, by, output string
	cmd := &cobra.Command{
		Use:   "usage [NAME]",
		Short: "show what connections carried, by the hour or day",
		Long: `Show what each connection carried in each hour or day, since long before the last
restart, if the configuration names a file for it (usage.file). Bytes and packets
are those inside the tunnel. LIMITED is how long a connection used all of the
bandwidth that it may have. Hours and days are UTC, and so is a time without an
offset.

Without --from and --to, the last 24 hours are shown, or with --by day the last 31
days. With a NAME, also of a connection that is gone, only that one.`,
		Example: `  causeway usage
  causeway usage azure-west --from 2026-11-01T08 --to 2026-11-01T18
  causeway usage --by day --from 2026-11-01 --to 2026-12-01 -o csv > november.csv`,
		Args:              atMost(1, false),
		ValidArgsFunction: completeNames(socket),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf(output, "table", "csv", "json"); err != nil {
				return err
			}
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			u, err := control.NewClient(*socket).Usage(cmd.Context(), from, to, by, name)
			if err != nil {
				return commandFailed("usage", err)
			}
			return showUsage(cmd.OutOrStdout(), u, name, output)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the first hour or day, such as 2026-11-01 or 2026-11-01T15")
	cmd.Flags().StringVar(&to, "to", "", "the moment to end before; now, if it is not given")
	cmd.Flags().StringVar(&by, "by", "hour", "what each row is of: hour, day")
	must(cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions([]string{"hour", "day"}, cobra.ShellCompDirectiveNoFileComp)))
	outputFlag(cmd, &output, "table", "table", "csv", "json")
	return cmd
}

func showUsage(w io.Writer, u control.Usage, name, output string) error {
	switch output {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(u)
	case "csv":
		return usageCSV(w, u)
	}
	var p page
	p.usage(u, name)
	return p.writeTo(w)
}

// usageCSV names its columns as JSON does.
func usageCSV(w io.Writer, u control.Usage) error {
	out := csv.NewWriter(w)
	records := [][]string{{"start", "connection", "packets_in", "bytes_in", "packets_out", "bytes_out", "drops_in", "drops_out", "limited_in_s", "limited_out_s"}}
	whole := func(n uint64) string { return strconv.FormatUint(n, 10) }
	seconds := func(s float64) string { return strconv.FormatFloat(s, 'f', -1, 64) }
	for _, r := range u.Rows {
		records = append(records, []string{
			r.Start.UTC().Format(time.RFC3339), r.Connection, whole(r.PacketsIn), whole(r.BytesIn), whole(r.PacketsOut), whole(r.BytesOut),
			whole(r.DropsIn), whole(r.DropsOut), seconds(r.LimitedInS), seconds(r.LimitedOutS),
		})
	}
	return out.WriteAll(records)
}

// usage is one line for each connection and period; of all, or of that name.
func (p *page) usage(u control.Usage, of string) {
	if len(u.Rows) == 0 {
		if of != "" {
			p.printf("%s: ", of)
		}
		p.printf("nothing was carried from %s to %s\n", u.From.UTC().Format(time.RFC3339), u.To.UTC().Format(time.RFC3339))
		return
	}
	period, layout := "HOUR (UTC)", "2006-01-02 15:04"
	if u.By == "day" {
		period, layout = "DAY (UTC)", time.DateOnly
	}
	rows := tabwriter.NewWriter(&p.Builder, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, strings.Join([]string{period, "NAME", "IN", "OUT", "PACKETS IN", "PACKETS OUT", "DROPS IN", "DROPS OUT", "LIMITED IN", "LIMITED OUT"}, "\t"))
	for _, r := range u.Rows {
		fmt.Fprintf(rows, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", r.Start.UTC().Format(layout), r.Connection, size(r.BytesIn), size(r.BytesOut),
			r.PacketsIn, r.PacketsOut, r.DropsIn, r.DropsOut, limited(r.LimitedInS), limited(r.LimitedOutS))
	}
	rows.Flush() // to a Builder: it cannot fail
}

// limited is a span, or a dash for none.
func limited(seconds float64) string {
	if seconds <= 0 {
		return "-"
	}
	return span(time.Duration(seconds * float64(time.Second)))
}
