package ikev2_test

import (
	"slices"
	"testing"
	"time"

	"causeway/ike/transform"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// asked is the IKE_SA_INIT request that a has on the network, or nil.
func asked(t *testing.T, w *transcript.World) *wire.Message {
	t.Helper()
	for _, p := range w.Network {
		m, err := wire.ParseMessage(p.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if m.Exchange == wire.ExchangeIKESAInit && p.From == w.A {
			return m
		}
	}
	return nil
}

// group is the group of the key share of a message.
func group(m *wire.Message) uint16 {
	for _, p := range m.Payloads {
		if ke, ok := p.(*wire.KeyExchange); ok {
			return ke.Group
		}
	}
	return 0
}

// A cookie has 1 to 64 octets; another one is no cookie, and the request is repeated
// without it (RFC 7296 §2.6).
func TestLengthsOfCookies(t *testing.T) {
	for n, want := range map[int]bool{0: false, 1: true, 64: true, 65: false} {
		a, b := transcript.Pair()
		w := transcript.New(a, b, nil)
		w.A.Up()
		tell(t, w, &wire.Notify{NotifyType: wire.NotifyCookie, Data: make([]byte, n)})
		again := asked(t, w)
		if taken := again != nil && wire.FindNotify(again.Payloads, wire.NotifyCookie) != nil; taken != want {
			t.Errorf("a cookie of %d octets is taken: %v", n, taken)
		}
		w.Advance(10*time.Second, true)
		if err := transcript.Agree(w); err != nil {
			t.Errorf("%d octets: %v", n, err)
		}
	}
}

// An error that nothing protects is not acted on: the true answer is waited for, and
// taken (RFC 7296 §2.4, §2.21.1).
func TestUnprotectedErrorInInit(t *testing.T) {
	for _, n := range []wire.NotifyType{wire.NotifyInvalidSyntax, wire.NotifyAuthenticationFailed, wire.NotifyInvalidMajorVersion, wire.NotifyInvalidIKESPI, unknownError} {
		a, b := transcript.Pair()
		w := transcript.New(a, b, nil)
		w.A.Up()
		tell(t, w, notify(n, 0, nil))
		if up(w.A) || asked(t, w) != nil {
			t.Errorf("a asks anew because of %v", n)
		}
		w.Advance(10*time.Second, true)
		if err := transcript.Agree(w); err != nil {
			t.Errorf("%v: %v", n, err)
		}
	}
}

// A group that the responder wants is tried if it was offered, and not tried before, a
// bounded number of times (RFC 7296 §1.2).
func TestGroupsThatAreTried(t *testing.T) {
	want := func(g uint16) *wire.Notify {
		return &wire.Notify{NotifyType: wire.NotifyInvalidKEPayload, Data: []byte{byte(g >> 8), byte(g)}}
	}
	for name, c := range map[string]struct {
		wanted []uint16
		tried  []uint16
	}{
		"the one that was sent":  {[]uint16{31}, []uint16{31}},
		"one that was tried":     {[]uint16{19, 31}, []uint16{31, 19}},
		"one that is not wanted": {[]uint16{32}, []uint16{31}},
		"each of them":           {[]uint16{19, 20, 21, 14, 15, 16}, []uint16{31, 19, 20, 21, 14, 15}},
	} {
		a, b := transcript.Pair()
		a.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ecp256-ecp384-ecp521-modp2048-modp3072-modp4096")
		w := transcript.New(a, b, nil)
		w.A.Up()
		tried := []uint16{group(asked(t, w))}
		for _, g := range c.wanted {
			tell(t, w, want(g))
			m := asked(t, w)
			if m == nil {
				break
			}
			tried = append(tried, group(m))
		}
		if !slices.Equal(tried, c.tried) {
			t.Errorf("%s: a tries %v, want %v", name, tried, c.tried)
		}
		if w.A.Snapshot().LastFailure == nil {
			t.Errorf("%s: a still waits", name)
		}
	}
}

// All that is offered is offered again with another group, in the order of preference but
// for that group, and numbered from 1 (RFC 7296 §1.2, §3.3.1).
func TestWholeOfferWithAnotherGroup(t *testing.T) {
	a, b := transcript.Pair()
	a.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ecp256", "aes128-sha256-modp2048")
	w := transcript.New(a, b, nil)
	w.A.Up()
	offers := func() (out []string) {
		p, _ := asked(t, w).Payloads[0].(*wire.SecurityAssociation)
		for i, o := range p.Proposals {
			if int(o.Number) != i+1 {
				t.Errorf("proposal %d has number %d", i+1, o.Number)
			}
			line := ""
			for _, tr := range o.Transforms {
				line += (transform.Transform{Type: transform.Type(tr.Type), ID: tr.ID}).String() + " "
			}
			out = append(out, line)
		}
		return out
	}
	first := offers()
	tell(t, w, &wire.Notify{NotifyType: wire.NotifyInvalidKEPayload, Data: []byte{0, 19}})
	second := offers()
	if len(first) != 2 || len(second) != 2 || first[1] != second[1] || len(first[0]) != len(second[0]) || first[0] == second[0] {
		t.Errorf("a offers %q and then %q", first, second)
	}
}
