package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"causeway/internal/gateway"
)

func newRun(root *cobra.Command) *cobra.Command {
	var path, keys string
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "run the gateway in the foreground",
		Long: `Run the gateway in the foreground, with its log on standard error. It needs root,
or CAP_NET_ADMIN and CAP_NET_BIND_SERVICE, and /dev/net/tun. CAP_NET_RAW lets it
receive ESP without UDP, hear by ICMP what paths carry, and probe private lines;
CAP_BPF lets it spread flows over its workers when one is too few.

SIGHUP reads the configuration again, as ` + "`causeway reload`" + ` does. SIGTERM and SIGINT
delete the SAs at the peers, remove the routes and the interface, and end it.
Under systemd, Type=notify-reload works.

The control socket is control.socket of the configuration, unless --socket is
given. --keylog writes the keys of every SA of IKEv2 and ESP to a directory, as
tables that Wireshark reads: for debugging, since whoever has them can read the
traffic. The exit code is 2 if the configuration has errors.`,
		Example: `  causeway run -c /etc/causeway.yaml`,
		Args:    atMost(0, false),
		RunE: func(cmd *cobra.Command, _ []string) error {
			signal.Ignore(syscall.SIGPIPE) // that nobody reads the log any more is no reason to end
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			opt := gateway.Options{ConfigPath: path, Version: version(), KeyLog: keys, Reload: hangups(ctx)}
			// $CAUSEWAY_SOCKET names a gateway to talk to; it does not move one.
			if given := root.PersistentFlags().Lookup("socket"); given.Changed {
				opt.Socket = given.Value.String()
			}
			return gateway.Run(ctx, opt)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&keys, "keylog", "", "write the keys of every SA to files in this `DIRECTORY`, for Wireshark")
	return cmd
}

// hangups receives a value for each SIGHUP until ctx ends; those that come while
// one waits are that one.
func hangups(ctx context.Context) <-chan struct{} {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	out := make(chan struct{})
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-signals:
			case <-ctx.Done():
				return
			}
			select {
			case out <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
