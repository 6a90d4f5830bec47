package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const before = `
gateway: {name: hq, identity: hq.example.com}
connections:
  a: {remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}, auth: {psk: "` + psk + `"}}
  b: {remote: {address: 203.0.113.6, networks: [10.3.0.0/16]}, auth: {psk: "` + psk + `"}, local: {identity: b}}
  c: {remote: {address: 203.0.113.7, networks: [10.4.0.0/16]}, auth: {psk: "` + psk + `"}}
`

func names(cs []Connection) (out []string) {
	for _, c := range cs {
		out = append(out, c.Name)
	}
	return out
}

func TestDiff(t *testing.T) {
	after := `
gateway: {name: hq, identity: other.example.com, interface: {mtu: 1400, routes: false}}
log: {level: debug}
connections:
  d: {remote: {address: 203.0.113.8, networks: [10.4.0.0/16]}, auth: {psk: "` + psk + `"}}
  b:
    remote: {address: [203.0.113.6, branch.example.com], networks: [10.3.0.0/16, 10.9.0.0/16]}
    auth: {psk: "another-` + psk + `"}
    local: {identity: b}
    ike: {dpd: 10s}
  a: {remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}, auth: {psk: "` + psk + `"}}
`
	d := Diff(mustParse(t, before), mustParse(t, after))
	if diff := cmp.Diff([]string{"gateway.identity", "gateway.interface.mtu", "gateway.interface.routes", "log.level"}, d.Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if !cmp.Equal(names(d.Added), []string{"d"}) || !cmp.Equal(names(d.Removed), []string{"c"}) {
		t.Errorf("added %v, removed %v", names(d.Added), names(d.Removed))
	}
	changed := map[string][]string{}
	for _, c := range d.Changed {
		if c.Old.Name != c.New.Name {
			t.Errorf("%s became %s", c.Old.Name, c.New.Name)
		}
		changed[c.New.Name] = c.Keys
	}
	want := map[string][]string{
		"a": {"local.identity"}, // by way of gateway.identity
		"b": {"remote.address", "remote.networks", "auth.psk", "ike.dpd"},
	}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

func TestDiffOfEqualConfigurations(t *testing.T) {
	a, b := mustParse(t, before), mustParse(t, before)
	if d := Diff(a, b); !d.IsZero() || !a.Equal(b) || !a.Connections[0].Equal(b.Connections[0]) {
		t.Errorf("equal configurations differ: %+v", d)
	}
	b.Connections[0], b.Connections[1] = b.Connections[1], b.Connections[0]
	if !Diff(a, b).IsZero() || a.Equal(b) {
		t.Error("another order is no difference to act on, but not equal either")
	}
}

func TestDiffFromAndToNothing(t *testing.T) {
	c := mustParse(t, before)
	if d := Diff(nil, c); !cmp.Equal(names(d.Added), []string{"a", "b", "c"}) || len(d.Removed)+len(d.Changed) != 0 {
		t.Errorf("from nothing: %+v", d)
	}
	if d := Diff(c, nil); !cmp.Equal(names(d.Removed), []string{"a", "b", "c"}) || len(d.Added)+len(d.Changed) != 0 {
		t.Errorf("to nothing: %+v", d)
	}
	if !Diff(nil, nil).IsZero() {
		t.Error("nothing differs from itself")
	}
}
