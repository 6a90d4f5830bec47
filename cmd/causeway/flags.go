package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway/internal/control"
)

// outputFlag adds -o with its values, which oneOf checks.
func outputFlag(cmd *cobra.Command, to *string, byDefault string, values ...string) {
	cmd.Flags().StringVarP(to, "output", "o", byDefault, "form of the output: "+strings.Join(values, ", "))
	must(cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}

func oneOf(value string, values ...string) error {
	if slices.Contains(values, value) {
		return nil
	}
	return fmt.Errorf("-o %s: allowed are %s", value, strings.Join(values, ", "))
}

// configFlag adds the mandatory -c.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "configuration file")
	must(cmd.MarkFlagRequired("config"))
	must(cmd.MarkFlagFilename("config", "yaml", "yml"))
}

// atMost lets a command have so many names of connections, and no less if they are
// needed, and wants its required flags: what is missing or too much is said with
// the form of the command.
func atMost(names int, needed bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		what := ""
		switch {
		case len(args) > names:
			what = fmt.Sprintf("%q is one too many", args[names])
		case needed && len(args) < names:
			what = "the NAME of a connection is missing"
		case cmd.ValidateRequiredFlags() != nil:
			what = "a FILE is missing"
		default:
			return nil
		}
		return fmt.Errorf("%s: %s %s; see `%s --help`", what, cmd.Parent().CommandPath(), cmd.Use, cmd.CommandPath())
	}
}

// must is for errors that mean a flag which was just defined does not exist.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// completeNames lets the shell complete the names of connections, asking the
// gateway for them.
func completeNames(socket *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // a person waits
		defer cancel()
		s, err := control.NewClient(*socket).Status(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []cobra.Completion
		for _, c := range s.Connections {
			out = append(out, cobra.CompletionWithDesc(c.Name, c.State))
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}
