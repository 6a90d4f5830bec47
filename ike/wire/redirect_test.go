package wire

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

var gateways = []Gateway{
	{Addr: netip.MustParseAddr("192.0.2.7")},
	{Addr: netip.MustParseAddr("2001:db8::7")},
	{Name: "vpn-2.example.com"},
}

func TestGateway(t *testing.T) {
	nonce := []byte("a nonce of twenty octets")
	for _, g := range gateways {
		b := AppendGateway(nil, g)
		got, rest, err := ParseGateway(append(bytes.Clone(b), nonce...))
		if err != nil || got != g || !bytes.Equal(rest, nonce) {
			t.Errorf("%v: %v, %q, %v", g, got, rest, err)
		}
		for n := range b {
			if got, _, err := ParseGateway(b[:n]); err == nil {
				t.Errorf("%d octets of %x give %v", n, b, got)
			}
		}
	}
	if b := AppendGateway(nil, gateways[0]); !bytes.Equal(b, []byte{1, 4, 192, 0, 2, 7}) {
		t.Errorf("%x", b)
	}
	for _, bad := range []string{"\x00\x04abcd", "\x01\x05abcde", "\x02\x04abcd", "\x03\x00", "\x03\x03a b", "\x03\x02a\n", "\x04\x01a", "\x03\xff" + strings.Repeat("a", 255)} {
		if got, _, err := ParseGateway([]byte(bad)); err == nil {
			t.Errorf("%q gives %v", bad, got)
		}
	}
}

func FuzzGateway(f *testing.F) {
	for _, g := range gateways {
		f.Add(AppendGateway(nil, g))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, nonce, err := ParseGateway(b)
		if err != nil {
			return
		}
		again, rest, err := ParseGateway(append(AppendGateway(nil, g), nonce...))
		if err != nil || again != g || !bytes.Equal(rest, nonce) {
			t.Errorf("%x: %v and then %v, %v", b, g, again, err)
		}
	})
}
