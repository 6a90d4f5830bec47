package arch

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// dependencies is the page that says why each module is used.
const dependencies = "docs/adr/0004-dependencies.md"

var (
	moduleRow = regexp.MustCompile(`(?m)^\| ([a-z0-9-]+\.[^ |]+) \| ([^|]+) \|$`)
	required  = regexp.MustCompile(`(?m)^(?:require)?\s+([a-z0-9-]+\.\S+) v\S+$`)
	tool      = regexp.MustCompile(`(?m)^tool (\S+)$`)
)

// unlistedModules compares the direct requirements, and the tools, with the
// page. A module that the page gives to tests must not be linked.
func unlistedModules(t *tree) []string {
	page, err := fs.ReadFile(t.fsys, dependencies)
	if err != nil {
		return []string{err.Error()}
	}
	mods, err := fs.ReadFile(t.fsys, "go.mod")
	if err != nil {
		return []string{err.Error()}
	}
	rows, used := map[string]string{}, map[string]bool{}
	for _, m := range moduleRow.FindAllStringSubmatch(string(page), -1) {
		rows[m[1]] = m[2]
	}
	for _, m := range required.FindAllStringSubmatch(string(mods), -1) {
		used[m[1]] = true
	}
	if tools, err := fs.ReadFile(t.fsys, "tools.mod"); err == nil {
		for _, m := range tool.FindAllStringSubmatch(string(tools), -1) {
			used[owner(rows, m[1])] = true
		}
	}
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if rows[name] == "" {
			problems = append(problems, fmt.Sprintf("go.mod: %s has no row in %s that says why", name, dependencies))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if !used[name] {
			problems = append(problems, fmt.Sprintf("%s: %s is not required", dependencies, name))
		}
	}
	return append(problems, linkedTestModules(t, rows)...)
}

func linkedTestModules(t *tree, rows map[string]string) []string {
	var problems []string
	for _, f := range t.goFiles() {
		if f.test() || under(f.dir(), "test") {
			continue
		}
		for imported, spec := range f.imports() {
			if strings.HasPrefix(rows[owner(rows, imported)], "tests:") {
				problems = append(problems, fmt.Sprintf("%s: imports %s, which %s gives to tests only", t.at(spec), imported, dependencies))
			}
		}
	}
	return problems
}

// owner is the module among the rows that a package belongs to, or the package.
func owner(rows map[string]string, imported string) string {
	for name := range rows {
		if under(imported, name) {
			return name
		}
	}
	return imported
}
