package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"causeway/internal/gateway"
)

// release is set by the build (-ldflags -X main.release=...).
var release string

// version is the release, or what the build recorded of the source.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "show the version and what this machine offers",
		Long: `Show the version, the Go that built it, and what of this kernel and processor the
gateway can use.`,
		Args: atMost(0, false),
		Run: func(cmd *cobra.Command, _ []string) {
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "causeway %s, %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			for _, f := range gateway.Features() {
				fmt.Fprintf(w, "  %-14s %s\n", f.Name, f.State)
			}
		},
	}
}
