package gateway

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/config"
)

// TestReplace: the file that takes another's place belongs to whom that belongs,
// and whoever could read it still can.
func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "causeway.yaml")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	group := os.Getgid()
	if os.Getuid() == 0 {
		group = 4711
	}
	if err := os.Chown(path, os.Getuid(), group); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	old, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := replace(path, []byte("new"), old)
	if err != nil {
		t.Fatal(err)
	}
	defer file.drop()
	if text, err := os.ReadFile(path); err != nil || string(text) != "old" {
		t.Errorf("before the commit it is %q, %v", text, err)
	}
	if err := file.commit(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != "new" {
		t.Errorf("it is %q, %v", text, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode().Perm() != 0o640 || int(owner.Gid) != group || int(owner.Uid) != os.Getuid() {
		t.Errorf("mode %v, owner %+v", info.Mode(), owner)
	}
}

// TestDoubts: who changes a connection hears what is doubtful about it, and what
// the change made doubtful elsewhere, and not the rest again.
func TestDoubts(t *testing.T) {
	doubt := func(path, what string) config.Problem {
		return config.Problem{File: "gw.yaml", Line: 3, Path: path, What: what, Severity: config.Warning}
	}
	old := doubt("connections.other.idle", "never passes")
	before := config.Problems{old, doubt("connections.branch.idle", "never passes")}
	after := config.Problems{old, doubt("connections.branch.idle", "never passes"), doubt("connections", "there is no connection"), doubt("connections.branch2.idle", "is new")}
	want := []string{"warning: connections.branch.idle: never passes", "warning: connections: there is no connection", "warning: connections.branch2.idle: is new"}
	if d := cmp.Diff(want, doubts("branch", before, after)); d != "" {
		t.Error(d)
	}
}
