package selector

import (
	"strings"
	"testing"
)

func TestParseAndString(t *testing.T) {
	for _, c := range []struct{ text, canonical string }{
		{"10.1.0.0/16", ""},
		{"10.0.0.1", "10.0.0.1/32"},
		{"10.0.0.1-10.0.0.9", ""},
		{"10.0.0.0-10.0.0.255", "10.0.0.0/24"},
		{"10.1.0.0/16[tcp]", ""},
		{"10.1.0.0/16[tcp/443]", ""},
		{"10.1.0.0/16[tcp/0]", ""},
		{"10.1.0.0/16[6/443]", "10.1.0.0/16[tcp/443]"},
		{"10.1.0.0/16[tcp/0-65535]", "10.1.0.0/16[tcp]"},
		{"2001:db8::/32[udp/500-510]", ""},
		{"fd00::1-fd00::5[sctp/opaque]", ""},
		{"0.0.0.0/0[any/opaque]", ""},
		{"0.0.0.0/0[any]", "0.0.0.0/0"},
		{"10.1.0.0/16[253]", ""},
		{"10.1.0.0/16[icmp/8]", ""},
		{"10.1.0.0/16[icmp/8:0]", ""},
		{"10.1.0.0/16[icmp/3:1-3:4]", ""},
		{"10.1.0.0/16[icmp/3-5]", ""},
		{"10.1.0.0/16[icmp/3-5:7]", "10.1.0.0/16[icmp/3:0-5:7]"},
		{"::/0[ipv6-icmp/128-129]", ""},
		{"::/0[mobility/5]", ""},
	} {
		want := c.canonical
		if want == "" {
			want = c.text
		}
		s, err := Parse(c.text)
		if err != nil || s.String() != want {
			t.Errorf("%q reads as %v, %v", c.text, s, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"", "not an address"},
		{"10.1.2.3/16", "write 10.1.0.0/16"},
		{"10.1.0.0/33", "not a prefix"},
		{"::ffff:10.0.0.0/104", "IPv4 address itself"},
		{"::ffff:10.0.0.1", "without zone"},
		{"fe80::1%eth0", "without zone"},
		{"10.0.0.9-10.0.0.1", "lower to a higher"},
		{"10.0.0.1-fd00::1", "lower to a higher"},
		{"10.0.0.1-", "end of a range"},
		{"10.1.0.0/16[tcp/443", "closing bracket"},
		{"10.1.0.0/16[tpc/443]", "unknown protocol"},
		{"10.1.0.0/16[256]", "unknown protocol"},
		{"10.1.0.0/16[tcp/70000]", "neither a port"},
		{"10.1.0.0/16[tcp/90-80]", "neither a port"},
		{"10.1.0.0/16[tcp/]", "neither a port"},
		{"10.1.0.0/16[icmp/256]", "neither a port"},
		{"10.1.0.0/16[icmp/3:256]", "neither a port"},
		{"10.1.0.0/16[any/80]", "neither a port"},
		{"10.1.0.0/16[tcp]x", "closing bracket"},
	} {
		if s, err := Parse(c.text); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, %v; want an error with %q", c.text, s, err, c.says)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"10.1.0.0/16", "10.0.0.1-10.0.0.9[tcp/443]", "::/0[ipv6-icmp/3:1-4:2]",
		"0.0.0.0/0[any/opaque]", "10.0.0.1[253/1-2]", "fe80::1%x[", "[]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if !s.Valid() {
			t.Fatalf("%q reads as the invalid %+v", text, s)
		}
		if back, err := Parse(s.String()); err != nil || back != s {
			t.Fatalf("%q is %v, which reads as %v, %v", text, s, back, err)
		}
	})
}
