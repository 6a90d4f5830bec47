package arch

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\[[^\]]*\]\(([^)\s#]*)(?:#([^)\s]*))?\)`)
	quoted  = regexp.MustCompile("`([^`\\s]+)`")
	made    = regexp.MustCompile("(?m)(?:^|`|[$] |sudo )make ([a-z][a-z-]*)")
	code    = regexp.MustCompile("`[^`]*`|(?ms)^```.*?^```$")
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	target  = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	folder  = regexp.MustCompile(`(?m)^( *)([\w/-]+)/ {2,}`)
)

func (t *tree) markdown() map[string]string {
	pages := map[string]string{}
	for _, name := range t.files {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		if text, err := fs.ReadFile(t.fsys, name); err == nil {
			pages[name] = string(text)
		}
	}
	return pages
}

// deadMentions finds links and `paths` in the documentation that lead nowhere.
func deadMentions(t *tree) []string {
	var problems []string
	for page, text := range t.markdown() {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			to := page
			if m[1] != "" {
				to = path.Join(path.Dir(page), m[1])
			}
			if !t.exists(to) {
				problems = append(problems, fmt.Sprintf("%s: links to %s, which does not exist", page, m[1]))
			} else if m[2] != "" && !slices.Contains(anchors(t, to), m[2]) {
				problems = append(problems, fmt.Sprintf("%s: links to #%s, which %s does not have", page, m[2], to))
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			if !t.mentioned(m[1]) {
				problems = append(problems, fmt.Sprintf("%s: names `%s`, which does not exist", page, m[1]))
			}
		}
	}
	return problems
}

// mentioned is false if the text looks like a path of the tree and is none. A
// symbol behind a colon is not its business.
func (t *tree) mentioned(text string) bool {
	text, _, _ = strings.Cut(text, ":")
	first, _, isPath := strings.Cut(text, "/")
	if !isPath || strings.ContainsAny(text, "*{<=$") || !t.exists(first) || slices.Contains(skipped, first) {
		return true
	}
	name := strings.TrimSuffix(text, "/")
	if t.exists(name) {
		return true
	}
	pkg, _, isIdentifier := strings.Cut(path.Base(name), ".")
	return isIdentifier && t.packages[path.Join(path.Dir(name), pkg)] != nil
}

// anchors are the headings of a page as links name them.
func anchors(t *tree, page string) []string {
	text, err := fs.ReadFile(t.fsys, page)
	if err != nil {
		return nil
	}
	var list []string
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		list = append(list, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return list
}

// unknownTargets finds `make NAME` in code of the documentation where the
// Makefile has no such target.
func unknownTargets(t *tree) []string {
	text, err := fs.ReadFile(t.fsys, "Makefile")
	if err != nil {
		return []string{err.Error()}
	}
	var targets, problems []string
	for _, m := range target.FindAllStringSubmatch(string(text), -1) {
		targets = append(targets, m[1])
	}
	for page, text := range t.markdown() {
		for _, span := range code.FindAllString(text, -1) {
			for _, m := range made.FindAllStringSubmatch(span, -1) {
				if !slices.Contains(targets, m[1]) {
					problems = append(problems, fmt.Sprintf("%s: the Makefile has no target %s", page, m[1]))
				}
			}
		}
	}
	return problems
}

// architecture is the page whose first block of code is the map of the tree.
const architecture = "docs/ARCHITECTURE.md"

// wrongMap compares the map with the packages, both ways.
func wrongMap(t *tree) []string {
	text, err := fs.ReadFile(t.fsys, architecture)
	if err != nil {
		return []string{err.Error()}
	}
	_, block, _ := strings.Cut(string(text), "```\n")
	block, _, _ = strings.Cut(block, "```\n")
	var problems, drawn []string
	parent := ""
	for _, m := range folder.FindAllStringSubmatch(block, -1) {
		dir := m[2]
		if m[1] == "" {
			parent = dir
		} else {
			dir = path.Join(parent, dir)
		}
		drawn = append(drawn, dir)
		if !t.exists(dir) {
			problems = append(problems, fmt.Sprintf("%s: the map shows %s, which does not exist", architecture, dir))
		}
	}
	for dir := range t.packages {
		internal := strings.Contains(dir, "/internal/") // its owner's, as tuntest is tunnel/tun's
		if !internal && !under(dir, "test", "tunnel/tun/tuntest") && !slices.Contains(drawn, dir) {
			problems = append(problems, fmt.Sprintf("%s: the map does not show %s", architecture, dir))
		}
	}
	return problems
}
