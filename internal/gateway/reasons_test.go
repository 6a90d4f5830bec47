package gateway

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTroubleshootingIsComplete holds docs/troubleshooting.md and the code equal:
// a user who sees a code finds it there, and nothing else is there.
func TestTroubleshootingIsComplete(t *testing.T) {
	page := read(t, "../../docs/troubleshooting.md")
	for _, c := range []struct{ section, file, pattern string }{
		{"Reasons", "../../ike/sa/failure.go", `Reason = "([a-z_]+)"`},
		{"Reasons of the API", "../control/api.go", `Reason[A-Za-z]+ += "([a-z_]+)"`},
		{"Events", "reports.go", `kind[A-Za-z]+ += "([a-z_]+)"`},
	} {
		code := collect(read(t, c.file), c.pattern)
		listed := collect(section(t, page, c.section), "(?m)^\\| `([a-z_]+)` \\|")
		switch c.section {
		case "Reasons of the API": // which names the two that are failures, too
			code = slices.DeleteFunc(code, func(r string) bool { return r == "refused" || r == "internal" })
		case "Events": // one of which only the API knows
			code = append(code, "lost")
			slices.Sort(code)
		}
		if len(code) < 2 {
			t.Fatalf("%s: nothing found in %s", c.section, c.file)
		}
		if d := cmp.Diff(code, listed); d != "" {
			t.Errorf("%s in %s (-) and in docs/troubleshooting.md (+) differ:\n%s", c.section, c.file, d)
		}
	}
}

// TestMetricsAreListed compares the page with what a scrape shows.
func TestMetricsAreListed(t *testing.T) {
	scraped := collect(read(t, "../control/testdata/metrics.txt"), `(?m)^# TYPE (causeway_[a-z_]+) `)
	listed := collect(section(t, read(t, "../../docs/troubleshooting.md"), "Metrics"), "(?m)^\\| `(causeway_[a-z_]+)` \\|")
	if d := cmp.Diff(scraped, listed); d != "" {
		t.Errorf("metrics (-) and docs/troubleshooting.md (+) differ:\n%s", d)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section is the text below a heading, to the next one.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no section %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

func collect(text, pattern string) []string {
	var out []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return out
}
