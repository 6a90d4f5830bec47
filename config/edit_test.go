package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const edited = `# the headquarters
gateway:
  name: hq # short

connections:
  a:
    remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}
    auth: {psk: "f1Zq0vX5tS9rW2mK8bYc"} # from the safe
`

const another = `remote: {address: 203.0.113.6, networks: [10.3.0.0/16]}
auth: {psk: "f1Zq0vX5tS9rW2mK8bYc"}
`

func connectionNames(t *testing.T, text []byte) []string {
	t.Helper()
	c, problems := Parse("gw.yaml", text, testChecks)
	if err := problems.Err(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var out []string
	for _, c := range c.Connections {
		out = append(out, c.Name+" "+c.Remote.Addresses[0].String())
	}
	return out
}

func TestEdit(t *testing.T) {
	added, err := SetConnection([]byte(edited), "b", []byte(another))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a 203.0.113.5", "b 203.0.113.6"}, connectionNames(t, added)); d != "" {
		t.Error(d)
	}
	for _, comment := range []string{"# the headquarters", "# short", "# from the safe"} {
		if !strings.Contains(string(added), comment) {
			t.Errorf("%q is lost:\n%s", comment, added)
		}
	}
	changed, err := SetConnection(added, "a", []byte(another))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(changed), "a:\n    remote: {address: 203.0.113.6") {
		t.Errorf("changed:\n%s", changed)
	}
	removed, err := RemoveConnection(added, "a")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"b 203.0.113.6"}, connectionNames(t, removed)); d != "" {
		t.Error(d)
	}
	for _, empty := range []string{"", "connections:\n", "connections: {}\n", "gateway: {name: hq}\n"} {
		made, err := SetConnection([]byte(empty), "b", []byte(another))
		if err != nil {
			t.Errorf("%q: %v", empty, err)
			continue
		}
		if d := cmp.Diff([]string{"b 203.0.113.6"}, connectionNames(t, made)); d != "" {
			t.Errorf("%q: %s", empty, d)
		}
	}
}

func TestEditRefuses(t *testing.T) {
	for _, c := range []struct{ text, keys string }{
		{edited, "[1, 2]"}, {edited, ""}, {edited, "a: [\n"}, {"- a\n", another}, {"connections: [a]\n", another}, {"a: [\n", another},
	} {
		if out, err := SetConnection([]byte(c.text), "b", []byte(c.keys)); err == nil {
			t.Errorf("%q in %q:\n%s", c.keys, c.text, out)
		}
	}
	if _, err := RemoveConnection([]byte(edited), "b"); err == nil {
		t.Error("a connection that is not there was removed")
	}
}

// FuzzSetConnection: whatever comes in the place of a connection, the others
// stay as they are or nothing is changed.
func FuzzSetConnection(f *testing.F) {
	f.Add([]byte(another))
	f.Add([]byte("a: &x [*x]"))
	f.Add([]byte("{}\n---\n{}"))
	f.Fuzz(func(t *testing.T, keys []byte) {
		out, err := SetConnection([]byte(edited), "b", keys)
		if err != nil {
			return
		}
		c, problems := Parse("gw.yaml", out, testChecks)
		if problems.Err() != nil {
			return
		}
		before, _ := Parse("gw.yaml", []byte(edited), testChecks)
		if len(c.Connections) != 2 || !c.Connections[0].Equal(before.Connections[0]) {
			t.Errorf("%q changed connection a:\n%s", keys, out)
		}
	})
}
