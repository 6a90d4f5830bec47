package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// decoder reads one file. It collects problems and the place of every key and
// value, for the checks that follow.
type decoder struct {
	file     string
	checks   Checks
	exposed  bool // every user of the machine can read the file
	problems Problems
	marks    map[string]mark // by path
	broken   map[string]bool // paths whose values could not be read
	secrets  map[string]secretResult
}

type mark struct{ line, column int }

func newDecoder(file string, checks Checks) *decoder {
	return &decoder{file: file, checks: checks, marks: map[string]mark{}, broken: map[string]bool{}, secrets: map[string]secretResult{}}
}

func (d *decoder) report(p Problem) {
	p.File = d.file
	d.problems = append(d.problems, p)
}

// wrong reports an error at a node.
func (d *decoder) wrong(n *yaml.Node, path, format string, args ...any) {
	d.report(Problem{Line: n.Line, Column: n.Column, Path: path, What: fmt.Sprintf(format, args...)})
}

// unreadable reports that a value is not what its key wants. Checks of the path
// that follow are left out: they would speak of a value nobody wrote.
func (d *decoder) unreadable(n *yaml.Node, path, format string, args ...any) {
	d.broken[path] = true
	d.wrong(n, path, format, args...)
}

func (d *decoder) mark(path string, n *yaml.Node) { d.marks[path] = mark{n.Line, n.Column} }

func (d *decoder) has(path string) bool { _, ok := d.marks[path]; return ok }

// pair is one key of a mapping with what stands behind it.
type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs gives the keys of a mapping, each once; nothing at all is an empty
// mapping. What is not a mapping is reported.
func (d *decoder) pairs(n *yaml.Node, path string) []pair {
	if n.Kind != yaml.MappingNode {
		if nameOf(n) != "nothing" {
			d.unreadable(n, path, "must be a mapping (key: value), not %s", nameOf(n))
		}
		return nil
	}
	d.untagged(n, path)
	out := make([]pair, 0, len(n.Content)/2)
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := follow(n.Content[i])
		switch {
		case k.Kind != yaml.ScalarNode:
			d.wrong(n.Content[i], path, "a key must be text, not %s", nameOf(k))
			continue
		case k.ShortTag() == "!!merge":
			d.wrong(n.Content[i], path, "merge keys (<<) are not supported: put what connections share under defaults")
			continue
		}
		if before := first[k.Value]; before != nil {
			d.wrong(n.Content[i], join(path, k.Value), "is given twice: first in line %d", before.Line)
			continue
		}
		first[k.Value] = n.Content[i]
		out = append(out, pair{k.Value, n.Content[i], follow(n.Content[i+1])})
	}
	return out
}

// untagged reports an explicit tag: the file says what a value is by its key.
// The tag is not repeated: it may be an unquoted secret that begins with `!`.
func (d *decoder) untagged(n *yaml.Node, path string) bool {
	if n.Style&yaml.TaggedStyle == 0 {
		return true
	}
	d.unreadable(n, path, "begins with a tag (!), which is not supported: put text that begins with ! in quotes")
	return false
}

// items gives the elements of a list; what is not a list is reported.
func (d *decoder) items(n *yaml.Node, path string, s shape) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		what := "must be " + s.Allowed + ", not " + nameOf(n)
		if nameOf(n) == "text" && !strings.ContainsAny(n.Value, "\n[]{},") {
			what += fmt.Sprintf(": write [%s]", clip(n.Value))
		}
		d.unreadable(n, path, "%s", what)
		return nil
	}
	if !d.untagged(n, path) {
		return nil
	}
	if len(n.Content) == 0 {
		d.unreadable(n, path, "is empty: must be %s, with one at least", s.Allowed)
	}
	return n.Content
}

// errNotAllowed makes scalar say what its kind allows, and what it got.
var errNotAllowed = errors.New("not allowed")

// scalar reads one value of a kind. What YAML takes for something else than
// the kind wants is reported rather than converted: `psk: 0123` is a number to
// other readers of the same file.
func scalar[V any](d *decoder, n *yaml.Node, path string, k kind[V]) (v V, ok bool) {
	n = follow(n)
	if n.Kind == yaml.ScalarNode && !d.untagged(n, path) {
		return v, false
	}
	got := nameOf(n)
	switch {
	case got == "nothing":
		d.unreadable(n, path, "has no value: must be %s", k.Allowed)
	case n.Kind != yaml.ScalarNode:
		d.unreadable(n, path, "must be %s, not %s", k.Allowed, got)
	case got == "text" && k.unquoted && !slices.Contains(k.words, n.Value) && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		hint := ""
		if _, err := k.parse(n.Value); err == nil {
			hint = ": remove the quotes"
		}
		d.unreadable(n, path, "must be %s, not text%s", k.Allowed, hint)
	case got != "text" && k.text:
		d.unreadable(n, path, "must be %s, but is read as %s: put it in quotes", k.Allowed, got)
	default:
		value, err := k.parse(n.Value)
		if err == nil {
			return value, true
		}
		if !errors.Is(err, errNotAllowed) {
			d.unreadable(n, path, "%s", err)
		} else if k.secret {
			d.unreadable(n, path, "must be %s", k.Allowed)
		} else {
			d.unreadable(n, path, "must be %s, not %s", k.Allowed, quote(n.Value))
		}
	}
	return v, false
}

// clip shortens what a message repeats outside quotes, and puts it in quotes
// after all if it does not print.
func clip(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return quote(text)
	}
	if r := []rune(text); len(r) > maxQuoted {
		return string(r[:maxQuoted]) + "…"
	}
	return text
}

// unknown reports a key that is not in keys: with the nearest one, or with
// the place where a key of that name belongs.
func (d *decoder) unknown(p pair, path string, keys []entry) {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	what := "unknown key"
	if near := nearest(p.name, names); near != "" {
		what += fmt.Sprintf(": did you mean %s?", near)
	} else if places := placesOf(p.name, "", keys); len(places) > 0 {
		what += ": it belongs at " + strings.Join(places, " or ") + ";"
	} else {
		what += ":"
	}
	d.wrong(p.key, join(path, p.name), "%s allowed here: %s", what, strings.Join(names, ", "))
}

// placesOf gives the paths of the keys below these that have the name.
func placesOf(name, path string, keys []entry) []string {
	var out []string
	for _, k := range keys {
		at := join(path, k.Name)
		if path != "" && k.Name == name {
			out = append(out, at)
		}
		out = append(out, placesOf(name, at, k.shape.Keys)...)
	}
	return out
}

// nearest gives the name that is a slip of the pen away, or "".
func nearest(name string, names []string) string {
	best, at := "", 3
	if len(name) < 4 {
		at = 2
	}
	if len(name) > maxQuoted {
		return ""
	}
	fold := strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(name))
	for _, n := range names {
		if dist := distance(fold, n); dist < at {
			best, at = n, dist
		}
	}
	return best
}

// distance counts the insertions, deletions and changes between two texts.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// repeated reports what stands in a list twice.
func repeated[V comparable](d *decoder, nodes []*yaml.Node, path string, values []V) {
	var unread V
	first := make(map[V]int, len(values))
	for i, v := range values {
		if v == unread {
			continue
		}
		if j, ok := first[v]; ok {
			d.wrong(follow(nodes[i]), index(path, i), "is listed twice: also as %s", index(path, j))
			continue
		}
		first[v] = i
	}
}
