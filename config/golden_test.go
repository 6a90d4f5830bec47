package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what is generated, and what the golden files expect")

// testChecks stand in for the rules of the packages that own proposals and
// identities.
var testChecks = Checks{
	Proposal: func(protocol, text string) error {
		for _, word := range strings.Split(text, "-") {
			switch word {
			case "aes256gcm16", "aes256", "sha256", "modp2048", "ecp384", "null":
			case "prfsha384":
				if protocol == "esp" {
					return fmt.Errorf("rules: proposal %q: prfsha384 is no keyword of esp", text)
				}
			case "esn":
				if protocol == "ike" {
					return fmt.Errorf("rules: proposal %q: esn is no keyword of ike", text)
				}
			default:
				return fmt.Errorf("rules: proposal %q: unknown keyword %q", text, word)
			}
		}
		return nil
	},
	ProposalDoubt: func(_, text string) string {
		if strings.HasPrefix(text, "null") {
			return "encrypts nothing"
		}
		return ""
	},
	Identity: func(text string) error {
		if _, value, ok := strings.Cut(text, ":"); ok && value == "" {
			return fmt.Errorf("rules: %q is no identity: nothing follows the colon", text)
		}
		return nil
	},
}

// TestMessages loads config.yaml of each archive in testdata and compares the
// problems with its file want. Lines of the archive's comment set the scene:
// `env NAME=VALUE` and `chmod MODE FILE`; other lines are prose.
func TestMessages(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			path, err := filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := unpack(t, archive)
			c, problems := Load("config.yaml", testChecks)
			if (c == nil) != (problems.Err() != nil) {
				t.Errorf("Load gave %v with the error %v", c, problems.Err())
			}
			got := problems.String()
			if got != "" {
				got += "\n"
			}
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("problems differ (-want +got), run with -update if they should:\n%s", diff)
			}
		})
	}
}

// unpack writes the archive's files to a directory of the test, changes there
// and returns the file of expectations.
func unpack(t *testing.T, archive *txtar.Archive) (want *txtar.File) {
	t.Chdir(t.TempDir())
	for i, f := range archive.Files {
		if f.Name == "want" {
			want = &archive.Files[i]
			continue
		}
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want == nil {
		t.Fatal("the archive has no file want")
	}
	for line := range strings.Lines(string(archive.Comment)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 2 && words[0] == "env":
			name, value, _ := strings.Cut(words[1], "=")
			t.Setenv(name, value)
		case len(words) == 3 && words[0] == "chmod":
			mode, err := strconv.ParseUint(words[1], 8, 32)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(words[2], os.FileMode(mode)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return want
}
