package gateway

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"causeway/config"
	"causeway/ike/transform"
)

// TestEveryKeywordIsDocumented: what a proposal may hold is in the section about
// algorithms.
func TestEveryKeywordIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Algorithms\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, proto := range []transform.Protocol{transform.IKE, transform.ESP} {
		for _, name := range transform.Keywords(proto) {
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/configuration.md does not explain %s", name)
			}
		}
	}
}

// TestExamplesAreValid: whoever copies a configuration from a page has one that is valid,
// once the files that it names are there.
func TestExamplesAreValid(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(err, pages)
	}
	texts := map[string]string{}
	for _, page := range append(pages, "../../README.md") {
		texts[page] = read(t, page)
	}
	certified(t)
	t.Setenv("BRANCH_PSK", "f1Zq0vX5tS9rW2mK8bYc")
	for _, name := range []string{"azure-west.psk", "branch.psk", "travellers.psk"} {
		if err := os.WriteFile(name, []byte("f1Zq0vX5tS9rW2mK8bYcf1Zq0vX5tS9rW2mK8bYc\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("users.txt", []byte("alice:correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	examples := 0
	for page, text := range texts {
		for _, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(m[1], "connections:") {
				continue // of one line
			}
			examples++
			if _, problems := config.Parse("example.yaml", []byte(m[1]), Checks()); problems.Err() != nil {
				t.Errorf("%s: %v in\n%s", page, problems.Err(), m[1])
			}
		}
	}
	if examples < 9 {
		t.Errorf("only %d examples are found", examples)
	}
}
