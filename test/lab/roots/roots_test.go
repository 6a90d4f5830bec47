package roots

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNames compares the names here with those of the script.
func TestNames(t *testing.T) {
	out, err := exec.Command("./make.sh", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	if list := strings.Fields(string(out)); !slices.Equal(list, Names()) {
		t.Errorf("make.sh makes %v, this package knows %v", list, Names())
	}
}

func TestMissing(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("CAUSEWAY_LAB_CACHE", cache)
	if what := Missing(Trixie); !strings.Contains(what, "make.sh") {
		t.Errorf("of an empty cache: %q", what)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(cache, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("forky.lack", "E: no such suite\n")
	if what := Missing(Forky); !strings.Contains(what, "no such suite") {
		t.Errorf("of a root that could not be made: %q", what)
	}
	if err := os.Mkdir(filepath.Join(cache, Trixie), 0o700); err != nil {
		t.Fatal(err)
	}
	write("trixie.ext4", "")
	if what := Missing(Trixie); what != "" {
		t.Errorf("of a root that is there: %q", what)
	}
}
