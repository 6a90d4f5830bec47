package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"causeway/internal/control"
)

func newSet(socket *string) *cobra.Command {
	var file string
	var persist bool
	cmd := &cobra.Command{
		Use:   "set NAME -f FILE",
		Short: "add or change one connection of the running gateway",
		Long: `Add the connection NAME to the running gateway, or change it, to what FILE says: the
keys of one connection in YAML. Other connections are not touched. The change
lasts until the next reload or start, unless --persist writes it to the gateway's
configuration file.`,
		Example: `  causeway set branch -f branch.yaml
  echo '{remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}, auth: {psk_file: /etc/branch.psk}}' | causeway set branch -f -`,
		Args:              atMost(1, true),
		ValidArgsFunction: completeNames(socket),
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := readFile(cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			applied, err := control.NewClient(*socket).SetConnection(cmd.Context(), args[0], keys, persist)
			if err != nil {
				return refused("set "+args[0], err)
			}
			return say(cmd.OutOrStdout(), applied, args[0]+" is set")
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the keys of the connection; - is standard input")
	must(cmd.MarkFlagRequired("file"))
	persistFlag(cmd, &persist)
	return cmd
}

func newRemove(socket *string) *cobra.Command {
	var persist bool
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "remove one connection of the running gateway",
		Long: `Delete the SAs of the connection NAME and forget it. It is back after the next
reload or start, unless --persist takes it out of the gateway's configuration
file.`,
		Example:           `  causeway remove branch --persist`,
		Args:              atMost(1, true),
		ValidArgsFunction: completeNames(socket),
		RunE: func(cmd *cobra.Command, args []string) error {
			applied, err := control.NewClient(*socket).RemoveConnection(cmd.Context(), args[0], persist)
			if err != nil {
				return refused("remove "+args[0], err)
			}
			return say(cmd.OutOrStdout(), applied, args[0]+" is removed")
		},
	}
	persistFlag(cmd, &persist)
	return cmd
}

// say tells what was done, and what is doubtful about it.
func say(w io.Writer, applied control.Applied, done string) error {
	page := page{}
	for _, doubt := range applied.Warnings {
		page.printf("%s\n", doubt)
	}
	page.printf("%s\n", done)
	return page.writeTo(w)
}

func persistFlag(cmd *cobra.Command, persist *bool) {
	cmd.Flags().BoolVar(persist, "persist", false, "change the configuration file, too")
}

func readFile(stdin io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(path)
}
