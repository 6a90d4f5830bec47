package arch

import (
	"fmt"
	"go/ast"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const conformance = "docs/conformance.md"

// demanding are the sections of RFC 7296 that have a MUST, a MUST NOT, a REQUIRED or a
// SHALL of their own.
const demanding = `1 1.2 1.3 1.3.1 1.3.2 1.3.3 1.4 1.4.1 1.5 2 2.1 2.2 2.3 2.4 2.5 2.6 2.6.1 2.7 2.8 2.8.1 2.8.2 2.9 2.9.2 2.10 2.11
	2.12 2.13 2.14 2.15 2.16 2.17 2.18 2.19 2.20 2.21.2 2.21.3 2.21.4 2.22 2.23 2.23.1 2.24 2.25 3.1 3.2 3.3 3.3.1 3.3.2 3.3.3 3.3.4
	3.3.5 3.3.6 3.4 3.5 3.6 3.8 3.9 3.10 3.10.1 3.11 3.12 3.13 3.13.1 3.14 3.15 3.15.1 3.16 4 5`

var (
	sections = regexp.MustCompile(`^\| ((?:7296 )?\d[^|]*) \|`)
	section  = regexp.MustCompile(`\d+(\.\d+)*`)

	mapping = regexp.MustCompile("^\\|.*\\| (`.*`) \\| (`.*`) \\|$")
	named   = regexp.MustCompile("`([^`]+)`")
)

// staleConformance finds what docs/conformance.md names and the tree does not
// have: a file, a symbol of it, a test or a transcript.
func staleConformance(t *tree) []string {
	text, err := fs.ReadFile(t.fsys, conformance)
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	tests, rows := t.tests(), 0
	for n, line := range strings.Split(string(text), "\n") {
		row := mapping.FindStringSubmatch(line)
		if row == nil {
			continue
		}
		rows++
		for _, m := range named.FindAllStringSubmatch(row[1], -1) {
			file, symbol, ok := strings.Cut(m[1], ":")
			if !ok || !t.declares(file, symbol) {
				problems = append(problems, fmt.Sprintf("%s:%d: names `%s`, which does not exist", conformance, n+1, m[1]))
			}
		}
		for _, m := range named.FindAllStringSubmatch(row[2], -1) {
			isTest := strings.HasPrefix(m[1], "Test") || strings.HasPrefix(m[1], "Fuzz")
			if isTest && !tests[m[1]] || !isTest && !t.exists("test/transcript/testdata/"+m[1]+".txtar") {
				problems = append(problems, fmt.Sprintf("%s:%d: is shown by `%s`, which does not exist", conformance, n+1, m[1]))
			}
		}
	}
	if rows == 0 {
		problems = append(problems, conformance+": maps nothing")
	}
	return problems
}

// unmapped are the demanding sections that no row of the page names: rows of the part
// about RFC 7296, and those of others whose first cell begins with 7296.
func unmapped(page string) []string {
	seen := map[string]bool{}
	about := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "## ") {
			about = strings.HasPrefix(line, "## RFC 7296")
		}
		row := sections.FindStringSubmatch(line)
		if row == nil || !about && !strings.HasPrefix(row[1], "7296 ") {
			continue
		}
		cell, _, _ := strings.Cut(strings.TrimPrefix(row[1], "7296 "), ";")
		for _, s := range section.FindAllString(cell, -1) {
			seen[s] = true
		}
	}
	return slices.DeleteFunc(strings.Fields(demanding), func(s string) bool { return seen[s] })
}

// tests are the names of every test and fuzz target.
func (t *tree) tests() map[string]bool {
	names := map[string]bool{}
	for _, f := range t.goFiles() {
		if !f.test() {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// declares tells whether a Go file has a function, method, type, constant or
// variable of that name, or the struct field Type.field.
func (t *tree) declares(file, symbol string) bool {
	i := slices.IndexFunc(t.goFiles(), func(f *goFile) bool { return f.path == file })
	if i < 0 {
		return false
	}
	found := false
	for _, d := range t.goFiles()[i].ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			found = found || d.Name.Name == symbol
		case *ast.GenDecl:
			for _, s := range d.Specs {
				found = found || specDeclares(s, symbol)
			}
		}
	}
	return found
}

func specDeclares(s ast.Spec, symbol string) bool {
	switch s := s.(type) {
	case *ast.ValueSpec:
		return slices.ContainsFunc(s.Names, func(n *ast.Ident) bool { return n.Name == symbol })
	case *ast.TypeSpec:
		body, ok := s.Type.(*ast.StructType)
		if s.Name.Name == symbol || !ok {
			return s.Name.Name == symbol
		}
		for _, field := range body.Fields.List {
			for _, n := range field.Names {
				if s.Name.Name+"."+n.Name == symbol {
					return true
				}
			}
		}
	}
	return false
}

func TestConformance(t *testing.T) {
	project, err := readTree(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range staleConformance(project) {
		t.Error(problem)
	}
}

func TestEverySectionIsMapped(t *testing.T) {
	page, err := os.ReadFile("../../" + conformance)
	if err != nil {
		t.Fatal(err)
	}
	if missing := unmapped(string(page)); len(missing) > 0 {
		t.Errorf("%s maps no MUST of RFC 7296 §%s", conformance, strings.Join(missing, ", §"))
	}
	rows := "## RFC 7296\n| 1, 1.2 | a |\n| for 3.9 | b |\n## RFC 5280\n| 7296 3.8; 4754 2.1 | c |\n| 2.1 | d |\n"
	missing := unmapped(rows)
	for s, want := range map[string]bool{"1": false, "1.2": false, "3.8": false, "2.1": true, "3.9": true, "1.3": true} {
		if slices.Contains(missing, s) != want {
			t.Errorf("of %q, §%s is missing: %v", rows, s, !want)
		}
	}
}

func TestConformanceRule(t *testing.T) {
	broken := fstest.MapFS{
		conformance: {Data: []byte("| § | demand | where | shown by |\n|---|---|---|---|\n" +
			"| 1 | a | `x/x.go:here`, `x/x.go:gone`, `x/y.go:here`, `x/x.go` | `TestHere`, `TestGone`, `told`, `untold` |\n" +
			"| 2 | b | `x/x.go:box.lid`, `x/x.go:box.door`, `x/x.go:method`, `x/x.go:limit` | `FuzzGone` |\n")},
		"x/x.go":                              {Data: []byte("package x\nfunc here() {}\ntype box struct{ lid int }\nfunc (box) method() {}\nconst limit = 1\n")},
		"x/x_test.go":                         {Data: []byte("package x\nfunc TestHere() {}\n")},
		"test/transcript/testdata/told.txtar": {Data: []byte("it")},
	}
	tree, err := readTree(broken)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"docs/conformance.md:3: names `x/x.go:gone`, which does not exist",
		"docs/conformance.md:3: names `x/y.go:here`, which does not exist",
		"docs/conformance.md:3: names `x/x.go`, which does not exist",
		"docs/conformance.md:3: is shown by `TestGone`, which does not exist",
		"docs/conformance.md:3: is shown by `untold`, which does not exist",
		"docs/conformance.md:4: names `x/x.go:box.door`, which does not exist",
		"docs/conformance.md:4: is shown by `FuzzGone`, which does not exist",
	}
	if diff := cmp.Diff(want, staleConformance(tree)); diff != "" {
		t.Errorf("wanted (-) and found (+):\n%s", diff)
	}
}
