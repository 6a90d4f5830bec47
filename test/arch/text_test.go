package arch

import (
	"bytes"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// forbidden are patterns that no file may have. Brackets keep them from
// finding themselves.
var forbidden = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`\b(TO[D]O|FIX[M]E|XX[X]|HAC[K])\b`), "finish it, or file an issue"},
	{regexp.MustCompile(`(?:^|[\s"'(=:` + "`" + `])/(?:hom[e]|User[s]|roo[t]|wor[k])/\w`), "a path of one machine"},
	{regexp.MustCompile(`(?i)\b(?:(?:coding|ai|autonomous) [a]gents?|[a]ssistant|language [m]odel|chat[b]ot|co-[a]uthored-by|(?:this|another|earlier|previous) [s]ession)\b`),
		"how work is organised does not belong here"},
	{regexp.MustCompile(`-----BEGIN (?:[A-Z]+ )*PRIVATE [K]EY-----`), "a private key"},
}

func forbiddenText(t *tree) []string {
	var problems []string
	for _, name := range t.files {
		text, err := fs.ReadFile(t.fsys, name)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			continue // gone meanwhile, or not text
		}
		n := 0
		for line := range strings.SplitSeq(string(text), "\n") {
			n++
			for _, f := range forbidden {
				if found := f.pattern.FindString(line); found != "" {
					problems = append(problems, fmt.Sprintf("%s:%d: %q: %s", name, n, strings.TrimSpace(found), f.why))
				}
			}
		}
	}
	return problems
}

// noLicence wants the one licence of the project, whole.
func noLicence(t *tree) []string {
	text, err := fs.ReadFile(t.fsys, "LICENSE")
	if err != nil {
		return []string{err.Error()}
	}
	for _, part := range []string{"Apache License", "Version 2.0", "TERMS AND CONDITIONS", "9. Accepting Warranty"} {
		if !bytes.Contains(text, []byte(part)) {
			return []string{fmt.Sprintf("LICENSE: has no %q: the licence is Apache-2.0", part)}
		}
	}
	return nil
}
