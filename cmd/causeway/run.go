package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"causeway/internal/gateway"
)

func newRun(root *cobra.Command) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "run the gateway in the foreground; SIGHUP reloads, SIGTERM deletes the SAs and ends",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			hangup := make(chan os.Signal, 1)
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			reload := make(chan struct{})
			go func() {
				for {
					select {
					case <-hangup:
						select {
						case reload <- struct{}{}:
						case <-ctx.Done():
							return
						}
					case <-ctx.Done():
						return
					}
				}
			}()
			opt := gateway.Options{ConfigPath: path, Version: version(), Reload: reload}
			if given := root.PersistentFlags().Lookup("socket"); given.Changed || os.Getenv("CAUSEWAY_SOCKET") != "" {
				opt.Socket = given.Value.String()
			}
			return gateway.Run(ctx, opt)
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "configuration file")
	if err := cmd.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag was defined a line above
	}
}
