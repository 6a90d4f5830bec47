package arch

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// rules are all of them. A rule gives one line for each thing that is wrong.
var rules = map[string]func(*tree) []string{
	"imports":  wrongImports,
	"foreign":  foreignImports,
	"pure":     impurities,
	"docs":     undocumentedPackages,
	"names":    forbiddenNames,
	"modules":  unlistedModules,
	"size":     oversized,
	"fuzz":     unfuzzedParsers,
	"mentions": deadMentions,
	"map":      wrongMap,
	"text":     forbiddenText,
	"licence":  noLicence,
	"targets":  unknownTargets,
	"hints":    hintless,
	"facts":    unshown,
}

func TestProject(t *testing.T) {
	project, err := readTree(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			for _, problem := range rule(project) {
				t.Error(problem)
			}
		})
	}
	t.Run("tables", func(t *testing.T) {
		for _, problem := range staleRows(project) {
			t.Error(problem)
		}
	})
	t.Run("long", func(t *testing.T) {
		for _, note := range long(project) {
			t.Log(note)
		}
	})
}

// TestRules gives each rule a tree that breaks it.
func TestRules(t *testing.T) {
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			broken, want := fstest.MapFS{}, []string{}
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
					continue
				}
				broken[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			project, err := readTree(broken)
			if err != nil {
				t.Fatal(err)
			}
			got := rule(project)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("wanted (-) and found (+):\n%s", diff)
			}
		})
	}
}

// staleRows finds rows of the tables that speak of what is no more.
func staleRows(t *tree) []string {
	var problems []string
	for _, table := range []map[string]arrows{arrowsOf, testArrows} {
		for from, a := range table {
			for _, dir := range append([]string{from}, a.to...) {
				if t.packages[dir] == nil {
					problems = append(problems, "table of imports: there is no package "+dir)
				}
			}
		}
	}
	for function := range fuzzedBy {
		dir, name := path.Dir(function), path.Base(function)
		last, function, _ := strings.Cut(name, ".")
		if !slices.Contains(parsers(t, path.Join(dir, last)), function) {
			problems = append(problems, "table of fuzz targets: there is no function "+name)
		}
	}
	return problems
}
