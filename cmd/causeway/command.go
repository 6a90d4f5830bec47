package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"causeway/internal/control"
)

func newUp(socket *string) *cobra.Command {
	return newCommand(socket, "up", "bring a connection up, keep it up, and wait until it carries traffic", nil)
}

func newDown(socket *string) *cobra.Command {
	return newCommand(socket, "down", "delete a connection's SAs at the peer and leave it down", nil)
}

func newRekey(socket *string) *cobra.Command {
	var ike, child bool
	cmd := newCommand(socket, "rekey", "replace a connection's SAs now, without losing traffic", func() []string {
		var what []string
		if ike {
			what = append(what, "ike")
		}
		if child {
			what = append(what, "child")
		}
		return what
	})
	cmd.Flags().BoolVar(&ike, "ike", false, "the IKE SA only")
	cmd.Flags().BoolVar(&child, "child", false, "the Child SAs only")
	return cmd
}

// newCommand makes a subcommand that acts on one connection and waits.
func newCommand(socket *string, verb, short string, what func() []string) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   verb + " NAME",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client := control.NewClient(*socket)
			var parts []string
			if what != nil {
				parts = what()
			}
			if err := client.Command(cmd.Context(), args[0], verb, timeout, parts...); err != nil {
				return commandFailed(args[0], verb, err)
			}
			conn, err := client.Connection(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			printConnection(cmd.OutOrStdout(), conn)
			return nil
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait for the result")
	return cmd
}

// commandFailed shows the cause of a failure with the facts of both sides.
func commandFailed(name, verb string, err error) error {
	var p *control.Problem
	if !errors.As(err, &p) {
		return err
	}
	text := fmt.Sprintf("%s %s failed: %s (%s)\n%s", verb, name, p.Message, p.Reason, p.Details())
	if p.Hint != "" {
		text += "  hint: " + p.Hint
	}
	return &exitError{exitFailed, trimNewline(text)}
}

func newReload(socket *string) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "make the daemon read its configuration again; a bad one changes nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return control.NewClient(*socket).Reload(cmd.Context())
		},
	}
}

func trimNewline(s string) string {
	for len(s) > 0 && s[len(s)-1] == '\n' {
		s = s[:len(s)-1]
	}
	return s
}
