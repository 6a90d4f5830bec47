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
		Short: "validate a configuration; print every problem with its position",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, problems := config.Load(path, gateway.Checks())
			for _, p := range problems {
				fmt.Fprintln(cmd.OutOrStdout(), p)
			}
			if problems.Err() != nil {
				return &exitError{code: exitBadConfig}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: valid, %d connections\n", path, len(cfg.Connections))
			return nil
		},
	}
	configFlag(cmd, &path)
	return cmd
}
