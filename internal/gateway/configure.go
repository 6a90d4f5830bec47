package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"causeway/config"
	"causeway/internal/control"
)

// Plan implements control.Backend.
func (g *Gateway) Plan(file string, text []byte) (control.Plan, error) {
	cfg, problems := config.Parse(file, text, Checks())
	if err := badConfiguration(problems); err != nil {
		return control.Plan{}, err
	}
	cfg = g.options.over(cfg)
	wanted, err := connections(cfg, g.fetcher)
	if err != nil {
		return control.Plan{}, err
	}
	live := map[string]bool{}
	for i := range wanted {
		live[wanted[i].Settings.Name] = g.engine.Keeps(&wanted[i])
	}
	difference := config.Diff(g.config.Load(), cfg)
	plan := control.Plan{
		Added: []string{}, Removed: []string{}, Changed: []control.PlannedChange{},
		Settings: append([]string{}, difference.Settings...), Restart: append([]string{}, needRestart(difference.Settings)...),
	}
	if g.lacksBareESP(cfg) {
		plan.Restart = append(plan.Restart, "esp.encapsulation: never")
	}
	for _, c := range difference.Added {
		plan.Added = append(plan.Added, c.Name)
	}
	for _, c := range difference.Removed {
		plan.Removed = append(plan.Removed, c.Name)
	}
	for _, c := range difference.Changed {
		plan.Changed = append(plan.Changed, control.PlannedChange{Name: c.New.Name, Keys: c.Keys, Live: live[c.New.Name]})
	}
	for _, w := range problems.Warnings() {
		plan.Warnings = append(plan.Warnings, w.String())
	}
	return plan, nil
}

// SetConnection implements control.Backend.
func (g *Gateway) SetConnection(ctx context.Context, name string, keys []byte, persist bool) (control.Applied, error) {
	return g.configure(ctx, "set ", name, persist, func(text []byte) ([]byte, error) { return config.SetConnection(text, name, keys) })
}

// RemoveConnection implements control.Backend.
func (g *Gateway) RemoveConnection(ctx context.Context, name string, persist bool) (control.Applied, error) {
	return g.configure(ctx, "remove ", name, persist, func(text []byte) ([]byte, error) { return config.RemoveConnection(text, name) })
}

// configure changes one connection of the running configuration, and of the
// file if that is asked for. Either both change or neither.
func (g *Gateway) configure(ctx context.Context, what, name string, persist bool, edit func([]byte) ([]byte, error)) (applied control.Applied, err error) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	text, err := edit(g.text)
	if err != nil {
		return applied, &control.Problem{Reason: control.ReasonBadConfiguration, Message: err.Error(), Hint: "nothing was changed"}
	}
	_, before := config.Parse(g.options.ConfigPath, g.text, Checks())
	next, problems := config.Parse(g.options.ConfigPath, text, Checks())
	if err := badConfiguration(problems); err != nil {
		return applied, err
	}
	var file *replacement
	if persist {
		if file, err = g.rewrite(edit); err != nil {
			return applied, &control.Problem{Reason: control.ReasonBadConfiguration, Message: err.Error(), Hint: "nothing was changed"}
		}
		defer file.drop()
	}
	done, err := g.adopt(ctx, g.options.over(next), text, problems)
	var routes *routesError
	if err != nil && !errors.As(err, &routes) {
		logReloadFailure(g.log, err)
		return applied, err
	}
	if persist {
		if err := file.commit(); err != nil {
			return applied, fmt.Errorf("gateway: the change is in force, and the file could not be written: %w", err)
		}
	}
	applied.Warnings = doubts(name, before, problems)
	g.log.Info(what + name + " by the API: " + done)
	return applied, err
}

// doubts are the warnings about one connection, and those that were not there
// before it was changed. What was changed has no place in a file.
func doubts(name string, before, after config.Problems) (out []string) {
	own := "connections." + name + "."
	for _, w := range after.Warnings() {
		same := func(o config.Problem) bool { return o.Path == w.Path && o.What == w.What }
		if strings.HasPrefix(w.Path, own) || !slices.ContainsFunc(before, same) {
			out = append(out, "warning: "+w.Path+": "+w.What)
		}
	}
	return out
}

// replacement is a file beside another whose place it is to take.
type replacement struct{ path, temporary string }

// rewrite edits the configuration file as it is on disk now. It takes effect
// with commit.
func (g *Gateway) rewrite(edit func([]byte) ([]byte, error)) (*replacement, error) {
	path, err := filepath.EvalSymlinks(g.options.ConfigPath)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text, err := edit(before)
	if err != nil {
		return nil, err
	}
	if _, problems := config.Parse(path, text, Checks()); problems.Err() != nil {
		return nil, fmt.Errorf("the file would have errors\n%s", problems.Errors())
	}
	return replace(path, text, info)
}

// replace writes text beside the file at path, with its mode and, if we may give
// files away, its owner; a file that is not there yet is for us alone.
func replace(path string, text []byte, old fs.FileInfo) (*replacement, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return nil, err
	}
	if old != nil {
		if owner, ok := old.Sys().(*syscall.Stat_t); ok {
			_ = f.Chown(int(owner.Uid), int(owner.Gid)) // before the mode, which it would take rights from
		}
		err = f.Chmod(old.Mode().Perm())
	}
	_, failed := f.Write(text)
	if err := errors.Join(err, failed, f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
		return nil, err
	}
	return &replacement{path, f.Name()}, nil
}

func (r *replacement) commit() error { return os.Rename(r.temporary, r.path) }

// drop removes what was not committed.
func (r *replacement) drop() { os.Remove(r.temporary) }
