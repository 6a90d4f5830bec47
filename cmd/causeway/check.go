package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"causeway/config"
	"causeway/internal/gateway"
)

func newCheck() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "validate a configuration",
		Long: `Validate a configuration and print every problem as

  file:line:column: key: what is wrong, and what is allowed

Warnings say so. Nothing is started or changed. The exit code is 2 if there are
errors, 0 if there are none.`,
		Example: `  causeway check -c /etc/causeway.yaml`,
		Args:    atMost(0, false),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, problems := config.Load(path, gateway.Checks())
			for _, p := range problems {
				fmt.Fprintln(cmd.OutOrStdout(), p)
			}
			if problems.Err() != nil {
				return &exitError{code: exitBadConfig}
			}
			connections := "connections"
			if len(cfg.Connections) == 1 {
				connections = "connection"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: valid, %d %s\n", path, len(cfg.Connections), connections)
			return nil
		},
	}
	configFlag(cmd, &path)
	return cmd
}
