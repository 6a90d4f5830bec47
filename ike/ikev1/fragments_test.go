package ikev1

import (
	"bytes"
	"crypto/elliptic"
	"net/netip"
	"testing"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/test/pki"
)

// longMessages has both ends show certificates, and cut at size.
func longMessages(t testing.TB, size int) func(a, b *sa.Settings) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P384()))
	now := pki.Valid(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	return func(a, b *sa.Settings) {
		certify(t, a, root.Issue("a", pki.RSA(2048, 1), pki.Names("a.example"), now), "a.example", "b.example", root.Certificate)
		certify(t, b, root.Issue("b", pki.RSA(2048, 2), pki.Names("b.example"), now), "b.example", "a.example", root.Certificate)
		a.FragmentSize, b.FragmentSize = size, size
	}
}

// TestFragments: long messages are cut in Main and in Aggressive Mode, whatever is
// lost on the way, and only the first, before which nobody knows what the peer
// takes, is longer than allowed.
func TestFragments(t *testing.T) {
	const size = 576
	for name, mode := range map[string]func(a, b *sa.Settings){"main": func(_, _ *sa.Settings) {}, "aggressive": aggressive} {
		for lost := range 16 {
			d := newDuo(t, longMessages(t, size), mode)
			d.lose = func(n int) bool { return n == lost }
			d.a.up()
			d.advance(time.Minute)
			d.wantUp()
			cutOnes := 0
			for _, e := range []*end{d.a, d.b} {
				for i, raw := range e.out {
					m, err := isakmp.ParseMessage(raw)
					if err != nil {
						t.Fatal(err)
					}
					if _, ok := fragmentOf(m); ok {
						cutOnes++
					}
					if len(raw)+20+8+4 > size && m.ResponderCookie != 0 {
						t.Errorf("%s: message %d of %s has %d octets: %v", name, i, e.name, len(raw), m.Header)
					}
				}
			}
			if cutOnes < 4 {
				t.Errorf("%s: %d fragments", name, cutOnes)
			}
		}
	}
}

// Nothing is cut for a peer that does not say that it takes it, or where it is
// turned off.
func TestFragmentsAreAgreedOn(t *testing.T) {
	d := newDuo(t, longMessages(t, 576))
	d.a.up()
	p := d.wire[0]
	m, err := isakmp.ParseMessage(p.raw)
	if err != nil {
		t.Fatal(err)
	}
	keep := m.Payloads[:0]
	for _, x := range m.Payloads {
		if v, ok := x.(*isakmp.VendorID); !ok || !bytes.Equal(v.Data, fragmenting()) {
			keep = append(keep, x)
		}
	}
	m.Payloads = keep
	if d.wire[0].raw, err = m.Append(nil); err != nil {
		t.Fatal(err)
	}
	d.settle()
	for _, e := range []*end{d.a, d.b} {
		for _, raw := range e.out {
			if raw[16] == byte(isakmp.PayloadFragment) {
				t.Fatalf("%s sends fragments that nobody asked for", e.name)
			}
		}
	}
	if !d.a.m.sas[0].proven {
		t.Error(d.failures())
	}
}

func TestAssembly(t *testing.T) {
	part := func(id uint16, n uint8, last bool, data string) *isakmp.Fragment {
		return &isakmp.Fragment{ID: id, Number: n, Last: last, Data: []byte(data)}
	}
	for _, tt := range []struct {
		name  string
		parts []*isakmp.Fragment
		want  string
		bad   bool
	}{
		{"in order", []*isakmp.Fragment{part(1, 1, false, "a"), part(1, 2, false, "b"), part(1, 3, true, "c")}, "abc", false},
		{"out of order, with repeats", []*isakmp.Fragment{part(1, 3, true, "c"), part(1, 1, false, "a"), part(1, 1, false, "x"), part(1, 2, false, "b")}, "abc", false},
		{"one alone", []*isakmp.Fragment{part(9, 1, true, "a")}, "a", false},
		{"another message begins", []*isakmp.Fragment{part(1, 1, false, "a"), part(2, 1, false, "x"), part(2, 2, true, "y")}, "xy", false},
		{"one is missing", []*isakmp.Fragment{part(1, 1, false, "a"), part(1, 3, true, "c")}, "", false},
		{"beyond the last", []*isakmp.Fragment{part(1, 2, true, "b"), part(1, 3, false, "c")}, "", true},
		{"two last ones", []*isakmp.Fragment{part(1, 3, true, "c"), part(1, 2, true, "b")}, "", true},
		{"the last before another", []*isakmp.Fragment{part(1, 3, false, "c"), part(1, 2, true, "b")}, "", true},
		{"too many", []*isakmp.Fragment{part(1, maxFragments+1, false, "a")}, "", true},
	} {
		var a assembly
		var got []byte
		var err error
		for _, p := range tt.parts {
			if got, err = a.add(p); err != nil {
				break
			}
		}
		if string(got) != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
	var a assembly
	for n := uint8(1); n <= maxFragments; n++ {
		_, err := a.add(part(1, n, false, string(make([]byte, 1000))))
		if a.size > maxAssembledLen {
			t.Fatalf("%d octets are kept", a.size)
		}
		if err != nil {
			return
		}
	}
	t.Error("64 kB are kept for one message")
}

// FuzzAssembly: whatever fragments come, what is kept is bounded, and a message
// that was cut is put together again.
func FuzzAssembly(f *testing.F) {
	f.Add([]byte("0123456789012345678901234567890123456789"), uint16(100), []byte{1, 1, 1, 2, 1, 129})
	f.Fuzz(func(t *testing.T, body []byte, limit uint16, script []byte) {
		var a assembly
		for len(script) >= 2 {
			p := &isakmp.Fragment{ID: uint16(script[0] & 1), Number: script[1]&127 + 1, Last: script[1]&128 != 0, Data: []byte{1, 2, 3}}
			_, _ = a.add(p)
			if a.size > maxAssembledLen || len(a.parts) > maxFragments+1 {
				t.Fatalf("%d octets and %d parts are kept", a.size, len(a.parts))
			}
			script = script[2:]
		}
		h := isakmp.Header{InitiatorCookie: 1, ResponderCookie: 2, Exchange: isakmp.ExchangeMain, Flags: isakmp.FlagEncryption}
		raw, err := (&isakmp.Message{Header: h, Body: append(body, 0)}).Append(nil)
		if err != nil || len(raw) > maxAssembledLen {
			return
		}
		a = assembly{}
		var whole []byte
		list := cut(raw, isakmp.ExchangeMain, 7, int(limit), netip.MustParseAddrPort("192.0.2.1:4500"))
		if len(list) == 1 {
			return
		}
		for _, b := range list {
			m, err := isakmp.ParseMessage(b)
			if err != nil || len(b) > int(limit) {
				t.Fatalf("%d octets, %v", len(b), err)
			}
			p, ok := fragmentOf(m)
			if !ok {
				t.Fatal("no fragment")
			}
			if whole, err = a.add(p); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(whole, raw) {
			t.Fatal("another message comes out")
		}
	})
}
