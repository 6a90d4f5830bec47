package gateway

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/config"
)

// TestManyPrefixes has a thousand connections with a hundred prefixes each, and a
// reload that takes one of them away.
func TestManyPrefixes(t *testing.T) {
	const connections, prefixes = 1000, 100
	if testing.Short() {
		t.Skip("a hundred thousand prefixes take seconds")
	}
	var b strings.Builder
	b.WriteString("defaults: {start: on-demand, auth: {psk: long-enough-secret-41}}\nconnections:\n")
	prefix := func(connection, n int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(20 + connection>>8), byte(connection), byte(n), 0}), 24)
	}
	for i := range connections {
		fmt.Fprintf(&b, "  c%d: {remote: {address: 203.0.%d.%d, networks: [%s", i, i>>8, i&255, prefix(i, 0))
		for n := range prefixes - 1 {
			fmt.Fprintf(&b, ", %s", prefix(i, n+1))
		}
		b.WriteString("]}}\n")
	}
	began := time.Now()
	f := newFuzzed(t, b.String())
	defer f.end()
	t.Logf("started after %v", time.Since(began).Round(time.Millisecond))
	if n := len(sites(f.config.Load(), nil)); n != connections*prefixes {
		t.Fatalf("%d prefixes", n)
	}
	before := f.state()
	gone := prefix(777, 99)
	text := strings.Replace(b.String(), ", "+gone.String(), "", 1)
	f.write(t, []byte(text))
	began = time.Now()
	if _, err := f.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("reloaded after %v", time.Since(began).Round(time.Millisecond))
	after := f.state()
	next, problems := config.Parse(f.path, []byte(text), Checks())
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	f.touchedOnlyChanges(t, &before, &after, next)
	if n := len(sites(f.config.Load(), nil)); n != connections*prefixes-1 {
		t.Errorf("%d prefixes", n)
	}
	if d := len(config.Diff(before.Config, next).Changed); d != 1 {
		t.Errorf("%d connections changed", d)
	}
}
