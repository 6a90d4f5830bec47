package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"causeway/internal/control"
)

func newStatus(socket *string) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "show what is configured, wanted and actual",
		Long: `Show every connection: wanted and actual state, peer, networks and traffic, and
why those that are wanted and down are down. With a NAME, everything about that
connection.

The exit code is 3 if a wanted connection, of those shown, is down.`,
		Example: `  causeway status
  causeway status -o wide
  causeway status azure-west
  causeway status -o json | jq '.connections[] | select(.state != "up") | .name'`,
		Args:              atMost(1, false),
		ValidArgsFunction: completeNames(socket),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf(output, "table", "wide", "json"); err != nil {
				return err
			}
			s, err := control.NewClient(*socket).Status(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if s.Connections, err = only(s.Connections, args[0]); err != nil {
					return err
				}
			}
			if err := showStatus(cmd.OutOrStdout(), s, output, len(args) == 1); err != nil {
				return err
			}
			return outage(s)
		},
	}
	outputFlag(cmd, &output, "table", "table", "wide", "json")
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
		if c.Outage() {
			return &exitError{code: exitDown}
		}
	}
	return nil
}

func showStatus(w io.Writer, s control.Status, output string, one bool) error {
	if output == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	page := page{now: time.Now()}
	switch {
	case one:
		page.connection(&s.Connections[0])
	default:
		page.table(s, output == "wide")
	}
	return page.writeTo(w)
}
