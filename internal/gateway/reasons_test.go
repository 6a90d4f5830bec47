package gateway

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryReasonIsExplained holds docs/troubleshooting.md and the reason codes
// equal: a user who sees a code finds it there, and nothing else is there.
func TestEveryReasonIsExplained(t *testing.T) {
	code, err := os.ReadFile("../../ike/sa/failure.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	collect := func(text []byte, pattern string) []string {
		var out []string
		for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
			out = append(out, string(m[1]))
		}
		slices.Sort(out)
		return out
	}
	inCode := collect(code, `Reason = "([a-z_]+)"`)
	inPage := collect(page, "(?m)^\\| `([a-z_]+)` \\|")
	if len(inCode) == 0 {
		t.Fatal("no reasons found in ike/sa/failure.go")
	}
	if d := cmp.Diff(inCode, inPage); d != "" {
		t.Errorf("reasons in the code (-) and in docs/troubleshooting.md (+) differ:\n%s", d)
	}
}
