package config

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// walk visits every key with its path; a connection's begin with
// connections.NAME.
func walk(path string, keys []entry, visit func(path string, k entry)) {
	for _, k := range keys {
		at := strings.TrimPrefix(path+"."+k.Name, ".")
		visit(at, k)
		if k.shape.Each != nil {
			walk(at+".NAME", k.shape.Each.Keys, visit)
		} else if k.Name != "defaults" {
			walk(at, k.shape.Keys, visit)
		}
	}
}

func TestEveryKeyIsDescribed(t *testing.T) {
	page := read(t, referencePath)
	walk("", documentKeys.keys(), func(path string, k entry) {
		section, name := "", path
		if i := strings.LastIndexByte(path, '.'); i >= 0 {
			section, name = path[:i], path[i+1:]
		}
		if k.Doc == "" || k.shape.Allowed == "" {
			t.Errorf("%s has no description", path)
		}
		if k.shape.Type == "object" {
			if !strings.Contains(page, "# `"+path+"`\n") {
				t.Errorf("%s has no heading in %s", path, referencePath)
			}
			return
		}
		if k.Example == "" || (k.Default == "") == (k.Otherwise == "") {
			t.Errorf("%s needs an example, and a default or what holds otherwise", path)
		}
		_, after, _ := strings.Cut(page, "# `"+strings.TrimSuffix(section, ".NAME")+"`\n")
		table, _, _ := strings.Cut(after, "\n#")
		if !strings.Contains(table, "\n| `"+name+"` |") {
			t.Errorf("%s is not in the table of %s in %s", path, section, referencePath)
		}
	})
}

// fileOf writes a file that sets each key to what choose gives.
func fileOf(choose func(path string, k entry) string) string {
	var b strings.Builder
	var write func(path string, depth int, keys []entry)
	write = func(path string, depth int, keys []entry) {
		for _, k := range keys {
			at := strings.TrimPrefix(path+"."+k.Name, ".")
			indent := strings.Repeat("  ", depth)
			switch {
			case k.shape.Each != nil:
				b.WriteString(indent + k.Name + ":\n" + indent + "  a:\n")
				write(at+".NAME", depth+2, k.shape.Each.Keys)
			case k.Name == "defaults" || k.Name == "certificate" || k.Name == "public_key" || k.Name == "ppk" || k.Name == "xauth":
			case k.shape.Type == "object":
				b.WriteString(indent + k.Name + ":\n")
				write(at, depth+1, k.shape.Keys)
			default:
				if v := choose(at, k); v != "" {
					b.WriteString(indent + k.Name + ": " + v + "\n")
				}
			}
		}
	}
	write("", 0, documentKeys.keys())
	return b.String()
}

// required are the examples without which no file is complete.
func required(path string, k entry) string {
	switch path {
	case "gateway.name", "connections.NAME.remote.address", "connections.NAME.remote.networks", "connections.NAME.auth.psk":
		return k.Example
	}
	return ""
}

// TestDocumentedDefaultsHold compares a file in which every documented default
// is written with one that leaves them out.
func TestDocumentedDefaultsHold(t *testing.T) {
	want := mustParse(t, fileOf(required))
	got := mustParse(t, fileOf(func(path string, k entry) string {
		if k.Default != "" {
			return k.Default
		}
		return required(path, k)
	}))
	if diff := cmp.Diff(want, got, compare...); diff != "" {
		t.Errorf("the defaults differ from those documented (-left out +written):\n%s", diff)
	}
}

// companions are keys that mean nothing without others.
var companions = map[string][]string{
	"connections.NAME.direct.interface":     {"connections.NAME.direct.next_hop"},
	"connections.NAME.direct.next_hop":      {"connections.NAME.direct.interface"},
	"connections.NAME.direct.probe.target":  {"connections.NAME.direct.interface", "connections.NAME.direct.next_hop"},
	"connections.NAME.probe.target":         {"gateway.interface.addresses"},
	"connections.NAME.idle":                 {"connections.NAME.start"},
	"connections.NAME.ike.mode_config":      {"connections.NAME.ike.version"},
	"connections.NAME.ike.aggressive":       {"connections.NAME.ike.version"},
	"connections.NAME.ike.client.dns":       {"connections.NAME.ike.version"},
	"connections.NAME.ike.client.wins":      {"connections.NAME.ike.version"},
	"connections.NAME.ike.client.domain":    {"connections.NAME.ike.version"},
	"connections.NAME.ike.client.split_dns": {"connections.NAME.ike.version"},
	"connections.NAME.ike.client.banner":    {"connections.NAME.ike.version"},
	"gateway.interface.source_rules":        {"gateway.interface.route_table"},
	"connections.NAME.esp.protocols":        {"connections.NAME.esp.mode"},
}

// TestDocumentedExamplesLoad sets each key to its example, and finds that it
// does something: nothing that is read is forgotten.
func TestDocumentedExamplesLoad(t *testing.T) {
	t.Setenv("AZURE_WEST_PSK", "another-"+psk)
	left := fileOf(required)
	walk("", documentKeys.keys(), func(path string, k entry) {
		files := strings.Contains(path, ".certificate.") || strings.Contains(path, ".public_key.") || strings.HasSuffix(path, "psk_file") || strings.Contains(path, ".ppk.") || strings.Contains(path, ".xauth.")
		if k.shape.Type == "object" || files || strings.HasSuffix(path, ".auth.local") || strings.HasSuffix(path, ".auth.remote") {
			return
		}
		c, problems := Parse("gw.yaml", []byte(fileOf(func(p string, k entry) string {
			if p == path {
				return k.Example
			}
			if p == "connections.NAME.auth.psk" && path == "connections.NAME.auth.psk_env" {
				return ""
			}
			if p == "connections.NAME.local.networks" && path == "connections.NAME.type" {
				return k.Example
			}
			if p == "connections.NAME.remote.networks" && (path == "connections.NAME.esp.mode" || path == "connections.NAME.esp.protocols") {
				return ""
			}
			if slices.Contains(companions[path], p) {
				return k.Example
			}
			return required(p, k)
		})), testChecks)
		if err := problems.Err(); err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		if k.Example != k.Default && required(path, k) == "" && c.Equal(mustParse(t, left)) {
			t.Errorf("%s: %s has no effect", path, k.Example)
		}
	})
}

// TestPageExamplesLoad loads each whole file shown in the page.
func TestPageExamplesLoad(t *testing.T) {
	page := read(t, referencePath)
	t.Chdir(t.TempDir())
	t.Setenv("BRANCH_PSK", "another-"+psk)
	for _, name := range []string{"azure-west.psk", "branch.psk", "hq.pem", "hq.key"} {
		if err := os.WriteFile(name, []byte(psk+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := 0
	for _, part := range strings.Split(page, "```yaml\n")[1:] {
		text, _, _ := strings.Cut(part, "```")
		if !strings.Contains(text, "connections:") {
			continue
		}
		files++
		if _, problems := Parse("gw.yaml", []byte(text), testChecks); len(problems) > 0 {
			t.Errorf("%s\n%s", problems, text)
		}
	}
	if files < 2 {
		t.Errorf("the page shows %d whole files", files)
	}
}
