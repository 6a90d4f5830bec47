package gateway

import (
	"os"
	"strings"
	"testing"

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
