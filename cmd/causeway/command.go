package main

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway/internal/control"
)

func newUp(socket *string) *cobra.Command {
	cmd := newCommand(socket, "up", nil)
	cmd.Short = "bring a connection up and keep it up"
	cmd.Long = `Bring a connection up, keep it up from now on, and wait until it carries traffic.
If that fails, the cause is shown with the facts of both sides and what to
change; the gateway goes on trying.`
	cmd.Example = `  causeway up azure-west
  causeway up azure-west --timeout 5s`
	return cmd
}

func newDown(socket *string) *cobra.Command {
	cmd := newCommand(socket, "down", nil)
	cmd.Short = "delete a connection's SAs and leave it down"
	cmd.Long = `Delete a connection's SAs at the peer and start it no more, until ` + "`causeway up`" + ` or
the next start of the gateway. A peer that connects is still answered: to end
that, remove the connection from the configuration, or set it down there, too.`
	cmd.Example = `  causeway down azure-west`
	return cmd
}

func newRekey(socket *string) *cobra.Command {
	var ike, child bool
	cmd := newCommand(socket, "rekey", func() []string {
		var what []string
		if ike {
			what = append(what, "ike")
		}
		if child {
			what = append(what, "child")
		}
		return what
	})
	cmd.Short = "replace a connection's SAs now"
	cmd.Long = `Replace a connection's SAs now, without losing traffic: the IKE SA and the Child
SAs, unless a flag names one of them.`
	cmd.Example = `  causeway rekey azure-west
  causeway rekey azure-west --child`
	cmd.Flags().BoolVar(&ike, "ike", false, "the IKE SA")
	cmd.Flags().BoolVar(&child, "child", false, "the Child SAs")
	return cmd
}

// newCommand makes a subcommand that acts on one connection and waits.
func newCommand(socket *string, verb string, what func() []string) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:               verb + " NAME",
		Args:              atMost(1, true),
		ValidArgsFunction: completeNames(socket),
		RunE: func(cmd *cobra.Command, args []string) error {
			client := control.NewClient(*socket)
			var parts []string
			if what != nil {
				parts = what()
			}
			if err := client.Command(cmd.Context(), args[0], verb, timeout, parts...); err != nil {
				return commandFailed(verb+" "+args[0], err)
			}
			conn, err := client.Connection(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			page := page{now: time.Now()}
			page.connection(&conn)
			return page.writeTo(cmd.OutOrStdout())
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait for the result, up to 10m")
	return cmd
}

// commandFailed shows the cause of a failure with the facts of both sides.
func commandFailed(what string, err error) error {
	var p *control.Problem
	if !errors.As(err, &p) {
		return err
	}
	var page page
	message, more, _ := strings.Cut(p.Message, "\n")
	page.printf("%s failed: %s (%s)\n", what, message, p.Reason)
	if more != "" {
		page.printf("%s\n", more)
	}
	page.facts(p)
	return &exitError{exitFailed, page.String()}
}

func newReload(socket *string) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "make the gateway read its configuration again",
		Long: `Make the gateway read its configuration file again and apply what changed, as
SIGHUP does. Connections that did not change are not touched. A file with errors
changes nothing, and the errors are shown.`,
		Example: `  causeway check -c /etc/causeway.yaml && causeway reload`,
		Args:    atMost(0, false),
		RunE: func(cmd *cobra.Command, _ []string) error {
			applied, err := control.NewClient(*socket).Reload(cmd.Context())
			if err != nil {
				return commandFailed("reload", err)
			}
			return say(cmd.OutOrStdout(), applied, "configuration reloaded")
		},
	}
}
