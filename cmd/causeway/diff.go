package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"causeway/internal/control"
)

func newDiff(socket *string) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "diff -c FILE",
		Short: "show what a reload with a configuration would do",
		Long: `Compare a configuration with the running one and show what ` + "`causeway reload`" + ` would
do if FILE were the gateway's own. Nothing is changed. A connection that is
changed live keeps its SAs; another has them deleted and made anew. The exit code
is 2 if FILE has errors.`,
		Example: `  causeway diff -c /etc/causeway.yaml && causeway reload`,
		Args:    atMost(0, false),
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if path, err = filepath.Abs(path); err != nil {
				return err
			}
			plan, err := control.NewClient(*socket).Plan(cmd.Context(), path, text)
			if err != nil {
				return refused("diff", err)
			}
			page := page{}
			page.plan(&plan)
			return page.writeTo(cmd.OutOrStdout())
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// plan shows what would change, a line each.
func (p *page) plan(plan *control.Plan) {
	for _, w := range plan.Warnings {
		p.printf("%s\n", w)
	}
	if plan.IsZero() {
		p.printf("nothing would change\n")
		return
	}
	for _, name := range plan.Added {
		p.printf("add %s\n", name)
	}
	for _, name := range plan.Removed {
		p.printf("remove %s: its SAs are deleted\n", name)
	}
	for _, c := range plan.Changed {
		how := "its SAs are deleted and made anew"
		if c.Live {
			how = "live, its SAs stay"
		}
		p.printf("change %s (%s): %s\n", c.Name, strings.Join(c.Keys, ", "), how)
	}
	if len(plan.Settings) > 0 {
		p.printf("change %s\n", strings.Join(plan.Settings, ", "))
	}
	if len(plan.Restart) > 0 {
		p.printf("a reload is refused: %s can change by a restart only\n", strings.Join(plan.Restart, ", "))
	}
}

// refused is commandFailed with the exit code of a bad configuration where that
// is the cause.
func refused(what string, err error) error {
	failed := commandFailed(what, err)
	if p, ok := err.(*control.Problem); ok && p.Reason == control.ReasonBadConfiguration {
		return &exitError{exitBadConfig, fmt.Sprint(failed)}
	}
	return failed
}
