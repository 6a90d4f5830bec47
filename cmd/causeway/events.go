package main

import (
	"context"
	"encoding/json"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"causeway/internal/control"
)

func newEvents(socket *string) *cobra.Command {
	var output string
	var messages bool
	cmd := &cobra.Command{
		Use:   "events [NAME]",
		Short: "follow what happens",
		Long: `Follow what happens from now on: connections that come and go, rekeys, failures
with the facts of both sides; with a NAME, of that connection only. Ctrl-C ends
it. With --messages, also each IKE message and its payloads, without secrets.`,
		Example: `  causeway events
  causeway events azure-west --messages
  causeway events -o json | jq -r 'select(.level == "warn") | .message'`,
		Args:              atMost(1, false),
		ValidArgsFunction: completeNames(socket),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf(output, "text", "json"); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			client := control.NewClient(*socket)
			name := ""
			if len(args) == 1 {
				name = args[0]
				if _, err := client.Connection(ctx, name); err != nil {
					return err
				}
			}
			f := follower{w: cmd.OutOrStdout(), json: output == "json", messages: messages, connection: name}
			return f.follow(ctx, client)
		},
	}
	outputFlag(cmd, &output, "text", "text", "json")
	cmd.Flags().BoolVar(&messages, "messages", false, "IKE messages, sent and received, too")
	return cmd
}

// follower writes the events that it is to show.
type follower struct {
	w              io.Writer
	json, messages bool
	connection     string // empty: all
}

func (f *follower) follow(ctx context.Context, client *control.Client) error {
	enc := json.NewEncoder(f.w)
	return client.Events(ctx, func(ev control.Event) error {
		switch {
		case ev.Level == "debug" && !f.messages:
			return nil
		// What belongs to no connection, such as a stranger's attempt or lost
		// events, may concern this one.
		case f.connection != "" && ev.Connection != "" && ev.Connection != f.connection:
			return nil
		case f.json:
			return enc.Encode(ev)
		}
		var p page
		p.event(ev)
		return p.writeTo(f.w)
	})
}

// event is one line, with the facts of a failure below.
func (p *page) event(ev control.Event) {
	p.printf("%s ", ev.At.Local().Format("15:04:05.000"))
	if ev.Connection != "" {
		p.printf("%s: ", ev.Connection)
	}
	p.WriteString(ev.Message)
	if ev.Problem != nil {
		p.printf(" (%s)", ev.Problem.Reason)
	}
	p.WriteString("\n")
	if ev.Problem != nil {
		p.facts(ev.Problem)
	}
}
