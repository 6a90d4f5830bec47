package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"causeway/internal/control"
)

func newEvents(socket *string) *cobra.Command {
	var output string
	var all bool
	cmd := &cobra.Command{
		Use:   "events",
		Short: "follow what happens",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("-o %s: allowed are text and json", output)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return follow(ctx, control.NewClient(*socket), cmd.OutOrStdout(), output, all)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.Flags().BoolVar(&all, "messages", false, "IKE messages too")
	return cmd
}

func follow(ctx context.Context, client *control.Client, w io.Writer, output string, all bool) error {
	enc := json.NewEncoder(w)
	return client.Events(ctx, func(ev control.Event) error {
		switch {
		case ev.Level == "debug" && !all:
			return nil
		case output == "json":
			return enc.Encode(ev)
		}
		return printEvent(w, ev)
	})
}

func printEvent(w io.Writer, ev control.Event) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", ev.At.Local().Format("15:04:05.000"), ev.Connection)
	if ev.Connection != "" {
		b.WriteString(": ")
	}
	b.WriteString(ev.Message)
	if p := ev.Problem; p != nil {
		fmt.Fprintf(&b, " (%s)\n%s", p.Reason, p.Details())
		if p.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s", p.Hint)
		}
	}
	_, err := fmt.Fprintln(w, trimNewline(b.String()))
	return err
}
