// Command causeway is a userspace IPsec gateway: `causeway run` is the daemon,
// the other subcommands talk to it through its control socket.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"causeway/config"
)

// The exit codes that users and scripts may rely on.
const (
	exitOK        = 0
	exitFailed    = 1
	exitBadConfig = 2
	exitDown      = 3 // status: a wanted connection is down
)

// exitError ends the command with a code; its text, if any, goes to standard
// error.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{exitFailed, err.Error()}
		var invalid *config.InvalidError
		if errors.As(err, &invalid) {
			exit.code = exitBadConfig
		}
	}
	if exit.text != "" {
		text := page{}
		text.printf("%s\n", strings.TrimRight(exit.text, "\n"))
		_ = text.writeTo(os.Stderr) // where else to tell?
	}
	return exit.code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "causeway",
		Short: "a userspace IPsec gateway",
		Long: `Causeway is a userspace IPsec gateway. ` + "`causeway run`" + ` is the gateway; the other
commands talk to the one that runs here, through its control socket.`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		DisableFlagsInUseLine:      true,
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
	}
	socket := os.Getenv("CAUSEWAY_SOCKET")
	if socket == "" {
		socket = "/run/causeway/control.sock"
	}
	root.PersistentFlags().StringVar(&socket, "socket", socket, "control socket of the gateway; $CAUSEWAY_SOCKET sets the default")
	must(root.MarkPersistentFlagFilename("socket", "sock"))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.AddCommand(
		newRun(root), newCheck(), newStatus(&socket), newUp(&socket), newDown(&socket),
		newRekey(&socket), newReload(&socket), newDiff(&socket), newSet(&socket), newRemove(&socket), newEvents(&socket), newUsage(&socket), newVersion(),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for name, short := range map[string]string{
		"help": "show the help of a command", "completion": "print a script that lets the shell complete commands and names",
	} {
		cmd, _, err := root.Find([]string{name})
		must(err)
		cmd.Short = short
	}
	return root
}

// known refuses what is none of the commands.
func known(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		meant = " (did you mean " + strings.Join(near, " or ") + "?)"
	}
	return fmt.Errorf("unknown command %q%s; see `%s --help`", args[0], meant, root.Name())
}
