package config

import (
	"fmt"
	"strings"
)

// Reference returns the tables of all keys, in Markdown: the part of
// docs/configuration.md that is generated.
func Reference() string {
	var b strings.Builder
	for _, k := range documentKeys.keys() {
		switch {
		case k.shape.Each != nil:
			fmt.Fprintf(&b, "### `%s`\n\n%s A name has at most 63 letters, digits and `.` `_` `-`.\n\n", k.Name, k.Doc)
			tables(&b, k.Name+".NAME", k.shape.Each.Keys)
		case k.Name == "defaults":
			fmt.Fprintf(&b, "### `%s`\n\n%s The keys are those of `connections.NAME`.\n\n", k.Name, k.Doc)
		default:
			fmt.Fprintf(&b, "### `%s`\n\n%s\n\n", k.Name, k.Doc)
			tables(&b, k.Name, k.shape.Keys)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// tables writes a table of the single values and then each mapping's own.
func tables(b *strings.Builder, path string, keys []entry) {
	heading := false
	for _, k := range keys {
		if k.shape.Type == "object" {
			continue
		}
		if !heading {
			b.WriteString("| key | what it is | allowed | default | example |\n|---|---|---|---|---|\n")
			heading = true
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | `%s` |\n", k.Name, cell(k.Doc), cell(k.shape.Allowed), cell(defaultOf(k)), cell(k.Example))
	}
	if heading {
		b.WriteString("\n")
	}
	for _, k := range keys {
		if k.shape.Type == "object" {
			fmt.Fprintf(b, "#### `%s.%s`\n\n%s\n\n", path, k.Name, k.Doc)
			tables(b, path+"."+k.Name, k.shape.Keys)
		}
	}
}

func defaultOf(k entry) string {
	if k.Default != "" {
		return "`" + k.Default + "`"
	}
	return k.Otherwise
}

func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }
