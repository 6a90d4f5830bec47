package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// The file is trusted to be the operator's, not to be sane: these bound what a
// mistake (a wrong file, a template gone wild) can cost.
const (
	maxFileSize = 16 << 20
	maxDepth    = 24
	maxNodes    = 2_000_000 // after aliases are followed
	maxQuoted   = 64        // of a value repeated in a message
)

// parse gives the root of the only document.
func (d *decoder) parse(data []byte) (*yaml.Node, bool) {
	if len(data) > maxFileSize {
		d.report(Problem{What: fmt.Sprintf("is larger than %d MiB, which no configuration needs", maxFileSize>>20)})
		return nil, false
	}
	if !utf8.Valid(data) {
		d.report(invalidText(data))
		return nil, false
	}
	limits := loaderlimits.New(loaderlimits.DepthFunc(func(depth int, _ *loaderlimits.DepthContext) error {
		if depth > maxDepth {
			return fmt.Errorf("is nested deeper than %d levels", maxDepth)
		}
		return nil
	}))
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(limits))
	if err != nil {
		d.report(Problem{What: err.Error()})
		return nil, false
	}
	var doc, trailing yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		d.report(Problem{Line: 1, Column: 1, What: "is empty: a minimal file has connections with remote.address, remote.networks and auth.psk"})
		return nil, false
	} else if err != nil {
		d.report(syntaxProblem(err))
		return nil, false
	}
	switch err := loader.Load(&trailing); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.report(syntaxProblem(err))
		return nil, false
	default:
		d.report(Problem{Line: trailing.Line, Column: trailing.Column, What: "a second document begins here: the file must hold one only"})
	}
	return d.root(&doc)
}

func (d *decoder) root(doc *yaml.Node) (*yaml.Node, bool) {
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		doc = doc.Content[0]
	}
	budget := maxNodes
	if n, ok := measure(doc, 0, &budget); !ok {
		what := "aliases (*name) expand to more than " + strconv.Itoa(maxNodes) + " values"
		if budget > 0 {
			what = "aliases (*name) nest deeper than " + strconv.Itoa(maxDepth) + " levels"
		}
		d.report(Problem{Line: n.Line, Column: n.Column, What: what + ": write the values out, or use defaults"})
		return nil, false
	}
	return doc, true
}

// measure follows aliases within a budget of nodes and depth, so that nothing
// after it needs to. It returns the node at which either ended.
func measure(n *yaml.Node, depth int, budget *int) (*yaml.Node, bool) {
	*budget--
	if depth > maxDepth+1 || *budget <= 0 {
		return n, false
	}
	if n.Kind == yaml.AliasNode {
		if at, ok := measure(n.Alias, depth+1, budget); !ok {
			return at, false
		}
	}
	for _, c := range n.Content {
		if at, ok := measure(c, depth+1, budget); !ok {
			return at, false
		}
	}
	return nil, true
}

// syntaxProblem says where a file stops being YAML. The text of an unknown
// anchor is kept out: it may be an unquoted secret that begins with `*`.
func syntaxProblem(err error) Problem {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return Problem{What: "is not valid YAML: " + err.Error()}
	}
	what := load.Message
	switch {
	case strings.HasPrefix(what, "unknown anchor"):
		what = "an alias (*) of an anchor that the file does not define: put text that begins with * in quotes"
	case strings.HasPrefix(what, "mapping values are not allowed"):
		what = "a key is not expected here: check the indentation, and put text with a colon in quotes"
	case strings.HasPrefix(what, "found character that cannot start"):
		what = "no value begins like this: indent with spaces instead of tabs, and put text in quotes"
	case load.ContextMsg != "":
		what += ", " + load.ContextMsg
	}
	line, column := load.Mark.Line, load.Mark.Column
	if line == 0 {
		line, column = 1, 1
	}
	return Problem{Line: line, Column: max(column, 1), What: "is not valid YAML: " + what}
}

// invalidText points at the first byte that is not UTF-8.
func invalidText(data []byte) Problem {
	line, column := 1, 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			break
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
		data = data[n:]
	}
	return Problem{Line: line, Column: column, What: "is not UTF-8 text"}
}

// follow gives what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// nameOf says what a node is, in the words of a message. It shows no value.
func nameOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	}
	return "text"
}

// quote shows a value in a message: on one line, and not at length.
func quote(text string) string {
	if r := []rune(text); len(r) > maxQuoted {
		return strconv.Quote(string(r[:maxQuoted])) + "…"
	}
	return strconv.Quote(text)
}

// join appends a key to a path; a name that would be ambiguous is quoted.
func join(path, name string) string {
	plain := name != "" && len(name) <= maxQuoted
	for _, r := range name {
		plain = plain && (r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	}
	if !plain {
		name = quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
