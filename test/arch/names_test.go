package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// vague are names that say nothing of what is inside, and so collect anything.
var vague = []string{"util", "utils", "common", "helper", "helpers", "manager", "misc"}

func forbiddenNames(t *tree) []string {
	var problems []string
	for _, name := range t.files {
		stem, _, _ := strings.Cut(path.Base(name), ".")
		words := append(strings.Split(path.Dir(name), "/"), strings.Split(stem, "_")...)
		for _, word := range words {
			if slices.Contains(vague, word) {
				problems = append(problems, fmt.Sprintf("%s: %q says nothing of what is inside", name, word))
			}
		}
	}
	for _, f := range t.goFiles() {
		if slices.Contains(vague, f.ast.Name.Name) {
			problems = append(problems, fmt.Sprintf("%s: package name %q says nothing of what is inside", f.path, f.ast.Name.Name))
		}
	}
	return problems
}

// undocumentedPackages finds those without a doc comment in the usual form.
func undocumentedPackages(t *tree) []string {
	var problems []string
	for dir, p := range t.packages {
		documented := slices.ContainsFunc(p.files, func(f *goFile) bool {
			text := f.ast.Doc.Text()
			return strings.HasPrefix(text, "Package "+f.ast.Name.Name+" ") ||
				f.ast.Name.Name == "main" && strings.HasPrefix(text, "Command "+path.Base(dir)+" ")
		})
		if !documented {
			problems = append(problems, fmt.Sprintf("%s: no file says what the package is for (Package NAME ..., or Command NAME ...)", dir))
		}
	}
	return problems
}
