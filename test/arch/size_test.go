package arch

import (
	"bytes"
	"fmt"
	"go/ast"
)

// A function or file longer than its first number is printed by go test -v, so
// that a reviewer looks; longer than the second fails.
const (
	functionNote, functionLimit = 60, 100
	fileNote, fileLimit         = 500, 700
)

func oversized(t *tree) []string { return longer(t, functionLimit, fileLimit) }

func long(t *tree) []string { return longer(t, functionNote, fileNote) }

// longer lists what exceeds the limits. Tests and generated files may be long.
func longer(t *tree, function, file int) []string {
	var found []string
	for _, f := range t.goFiles() {
		if f.test() || ast.IsGenerated(f.ast) {
			continue
		}
		if n := bytes.Count(f.text, []byte("\n")); n > file {
			found = append(found, fmt.Sprintf("%s: %d lines, more than %d: it holds more than one idea", f.path, n, file))
		}
		for _, d := range f.ast.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && t.lines(d) > function {
				found = append(found, fmt.Sprintf("%s: %s has %d lines, more than %d", t.at(d), d.Name.Name, t.lines(d), function))
			}
		}
	}
	return found
}
