package selector

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustParse(t testing.TB, text string) Selector {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustList(t testing.TB, texts ...string) List {
	t.Helper()
	var l List
	for _, text := range texts {
		l = append(l, mustParse(t, text))
	}
	return l
}

var compareAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestFromPrefix(t *testing.T) {
	for _, c := range []struct{ prefix, start, end string }{
		{"10.1.2.3/16", "10.1.0.0", "10.1.255.255"},
		{"0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
		{"192.0.2.1/32", "192.0.2.1", "192.0.2.1"},
		{"192.0.2.128/31", "192.0.2.128", "192.0.2.129"},
		{"2001:db8::/33", "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"},
		{"::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	} {
		got := FromPrefix(netip.MustParsePrefix(c.prefix))
		want := Selector{EndPort: 65535, Start: netip.MustParseAddr(c.start), End: netip.MustParseAddr(c.end)}
		if diff := cmp.Diff(want, got, compareAddr); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.prefix, diff)
		}
		p, ok := got.Prefix()
		if want := netip.MustParsePrefix(c.prefix).Masked(); !ok || p != want {
			t.Errorf("%s: Prefix() = %v, %v", c.prefix, p, ok)
		}
	}
	if FromPrefix(netip.Prefix{}).Valid() {
		t.Error("the zero prefix makes a valid selector")
	}
	if FromPrefix(netip.MustParsePrefix("::ffff:10.0.0.0/104")).Valid() {
		t.Error("a mapped prefix makes a valid selector")
	}
}

func TestValid(t *testing.T) {
	a, b, six := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("fd00::1")
	for _, c := range []struct {
		name string
		s    Selector
		want bool
	}{
		{"zero", Selector{}, false},
		{"any port", Selector{0, 0, 65535, a, b}, true},
		{"opaque", Selector{0, 65535, 0, a, b}, true},
		{"one port", Selector{6, 80, 80, a, b}, true},
		{"port 0", Selector{6, 0, 0, a, b}, true},
		{"ports without protocol", Selector{0, 80, 80, a, b}, false},
		{"ports reversed", Selector{6, 81, 80, a, b}, false},
		{"addresses reversed", Selector{0, 0, 65535, b, a}, false},
		{"two families", Selector{0, 0, 65535, a, six}, false},
		{"zone", Selector{0, 0, 65535, six.WithZone("eth0"), six.WithZone("eth0")}, false},
		{"mapped", Selector{0, 0, 65535, netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.1")}, false},
	} {
		if got := c.s.Valid(); got != c.want {
			t.Errorf("%s: Valid() = %v", c.name, got)
		}
		if !c.want && (c.s.Contains(c.s) || c.s.String() != "invalid selector") {
			t.Errorf("%s: an invalid selector takes part", c.name)
		}
	}
}

func TestIntersect(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16"},
		{"10.0.0.0/8", "11.0.0.0/8", ""},
		{"10.0.0.0/8", "fd00::/8", ""},
		{"10.0.0.0-10.0.0.9", "10.0.0.5-10.0.1.0", "10.0.0.5-10.0.0.9"},
		{"10.0.0.0/8[tcp]", "10.1.0.0/16", "10.1.0.0/16[tcp]"},
		{"10.0.0.0/8[tcp]", "10.1.0.0/16[udp]", ""},
		{"10.0.0.0/8[tcp/80-90]", "10.1.0.0/16[tcp/85-99]", "10.1.0.0/16[tcp/85-90]"},
		{"10.0.0.0/8[tcp/80-90]", "10.1.0.0/16[tcp/91]", ""},
		{"10.0.0.0/8[tcp]", "10.1.0.0/16[tcp/opaque]", "10.1.0.0/16[tcp/opaque]"},
		{"10.0.0.0/8[tcp/80]", "10.1.0.0/16[tcp/opaque]", ""},
		{"10.0.0.0/8[any/opaque]", "10.1.0.0/16[tcp/80]", ""},
		{"10.0.0.0/8[any/opaque]", "10.1.0.0/16[tcp]", "10.1.0.0/16[tcp/opaque]"},
	} {
		a, b := mustParse(t, c.a), mustParse(t, c.b)
		got, ok := a.Intersect(b)
		back, okBack := b.Intersect(a)
		if got != back || ok != okBack {
			t.Errorf("%s and %s: depends on the order", c.a, c.b)
		}
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s and %s: %v, %v; want %q", c.a, c.b, got, ok, c.want)
		}
	}
}

func TestNarrow(t *testing.T) {
	for _, c := range []struct {
		name              string
		ours, offer, want []string
	}{
		{"same", []string{"10.1.0.0/16"}, []string{"10.1.0.0/16"}, []string{"10.1.0.0/16"}},
		{"peer offers all", []string{"10.1.0.0/16", "10.3.0.0/16"}, []string{"0.0.0.0/0", "::/0"}, []string{"10.1.0.0/16", "10.3.0.0/16"}},
		{"our order", []string{"10.3.0.0/16", "10.1.0.0/16"}, []string{"10.1.0.0/16", "10.3.0.0/16"}, []string{"10.3.0.0/16", "10.1.0.0/16"}},
		// RFC 7296 §2.9: the first offered selector is the packet that asks.
		{"the packet and its network", []string{"10.1.0.0/16"}, []string{"10.1.0.7/32[icmp/8]", "10.1.0.0/24"}, []string{"10.1.0.0/24"}},
		{"nothing in common", []string{"10.1.0.0/16"}, []string{"10.2.0.0/16", "fd00::/8"}, nil},
		{"duplicates", []string{"10.1.0.0/16", "10.1.0.0/16"}, []string{"10.0.0.0/8", "0.0.0.0/0"}, []string{"10.1.0.0/16"}},
		{"empty offer", []string{"10.1.0.0/16"}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := mustList(t, c.ours...).Narrow(mustList(t, c.offer...))
			if diff := cmp.Diff(mustList(t, c.want...), got, compareAddr); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNarrowIsBounded(t *testing.T) {
	var l List
	for i := range 300 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 7), byte(i << 1), 0})
		l = append(l, Selector{EndPort: 65535, Start: a, End: a})
	}
	if got := len(l.Narrow(Any())); got != maxNarrowed {
		t.Errorf("narrowed to %d selectors, more than a payload carries", got)
	}
}

func TestListContains(t *testing.T) {
	halves := mustList(t, "10.128.0.0/9", "10.0.0.0/9")
	whole := mustList(t, "10.0.0.0/8")
	if !halves.Contains(whole) || !halves.Equal(whole) || !whole.Equal(halves) {
		t.Error("two halves are not the whole")
	}
	if mustList(t, "10.0.0.0/9", "10.128.0.0/10").Contains(whole) {
		t.Error("three quarters are the whole")
	}
	if mustList(t, "10.0.0.0/8[tcp/1-10]", "10.0.0.0/8[tcp/12-20]").Contains(mustList(t, "10.0.0.0/8[tcp/1-20]")) {
		t.Error("a port is missing and not missed")
	}
	ports := mustList(t, "10.0.0.0/8[tcp/0-79]", "10.0.0.0/8[tcp/80-65535]")
	if ports.Contains(mustList(t, "10.0.0.0/8[tcp]")) {
		t.Error("ranges contain OPAQUE")
	}
	ports = mustList(t, "10.0.0.0/8[tcp/0-79]", "10.0.0.0/8[tcp/80-65535]", "10.0.0.0/8[tcp/opaque]")
	if !ports.Contains(mustList(t, "10.0.0.0/8[tcp]")) {
		t.Error("all ports and OPAQUE are not ANY")
	}
	if (List{}).Contains(whole) || !whole.Contains(nil) || whole.Contains(List{{}}) {
		t.Error("the empty list, or the invalid selector")
	}
	if !Any().Contains(append(whole, mustParse(t, "fd00::/8[udp/53]"))) {
		t.Error("Any does not contain all")
	}
	if got, want := Any().String(), "0.0.0.0/0, ::/0"; got != want {
		t.Errorf("Any() = %q", got)
	}
}
