package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// module is this project's name in import paths.
const module = "causeway"

// tree is a source tree, read once and parsed without regard to build tags: a
// file for another system obeys the same rules.
type tree struct {
	fsys     fs.FS
	fset     *token.FileSet
	files    []string            // every regular file
	packages map[string]*goFiles // by directory
}

// goFiles are the Go files of one directory.
type goFiles struct {
	dir   string
	files []*goFile
}

type goFile struct {
	path string
	text []byte
	ast  *ast.File
}

// skipped are directories that are not the project's source.
var skipped = []string{".git", "bin", "test/arch/testdata"}

func readTree(fsys fs.FS) (*tree, error) {
	t := &tree{fsys: fsys, fset: token.NewFileSet(), packages: map[string]*goFiles{}}
	return t, fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skipped, name):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		t.files = append(t.files, name)
		if !strings.HasSuffix(name, ".go") || slices.Contains(strings.Split(name, "/"), "testdata") {
			return nil
		}
		return t.addGo(name)
	})
}

func (t *tree) addGo(name string) error {
	text, err := fs.ReadFile(t.fsys, name)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(t.fset, name, text, parser.ParseComments)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	if t.packages[dir] == nil {
		t.packages[dir] = &goFiles{dir: dir}
	}
	t.packages[dir].files = append(t.packages[dir].files, &goFile{path: name, text: text, ast: parsed})
	return nil
}

// goFiles lists every Go file.
func (t *tree) goFiles() []*goFile {
	var list []*goFile
	for _, p := range t.packages {
		list = append(list, p.files...)
	}
	slices.SortFunc(list, func(a, b *goFile) int { return strings.Compare(a.path, b.path) })
	return list
}

// exists tells whether the tree has a file or directory of that name.
func (t *tree) exists(name string) bool {
	_, err := fs.Stat(t.fsys, name)
	return err == nil
}

// at is the place of a node as editors read it.
func (t *tree) at(n ast.Node) string {
	p := t.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// lines is how many lines a node takes.
func (t *tree) lines(n ast.Node) int {
	return t.fset.Position(n.End()).Line - t.fset.Position(n.Pos()).Line + 1
}

func (f *goFile) test() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f *goFile) dir() string { return path.Dir(f.path) }

// imports gives the import paths of a file and the name each has in it.
func (f *goFile) imports() map[string]*ast.ImportSpec {
	m := map[string]*ast.ImportSpec{}
	for _, spec := range f.ast.Imports {
		m[strings.Trim(spec.Path.Value, `"`)] = spec
	}
	return m
}

// under tells whether a directory is one of those, or below one.
func under(dir string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return dir == root || strings.HasPrefix(dir, root+"/")
	})
}
