package ikev2_test

import (
	"fmt"
	"net/netip"
	"testing"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// sentTo answers the IKE_SA_INIT of a that is on the network with a REDIRECT.
func sentTo(t *testing.T, w *transcript.World, to string, nonce func([]byte) []byte) {
	t.Helper()
	p := w.Drop(0)
	m, err := wire.ParseMessage(p.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	ni := m.Payloads[2].(*wire.Nonce).Data
	data := append(wire.AppendGateway(nil, wire.Gateway{Addr: netip.MustParseAddr(to)}), nonce(ni)...)
	raw, err := (&wire.Message{Header: wire.Header{InitiatorSPI: m.InitiatorSPI, Exchange: m.Exchange, Flags: wire.FlagResponse},
		Payloads: []wire.Payload{&wire.Notify{NotifyType: wire.NotifyRedirect, Data: data}}}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.A.Receive(sa.Datagram{Raw: raw, Local: p.Source, Remote: p.Destination})
}

func same(b []byte) []byte { return b }

// following is a world where a began and follows redirects.
func following(change func(a, b *sa.Settings)) *transcript.World {
	a, b := transcript.Pair()
	a.FollowRedirects = true
	if change != nil {
		change(a, b)
	}
	w := transcript.New(a, b, nil)
	w.B.Also = append(w.B.Also, netip.MustParseAddr("192.0.2.3"))
	w.A.Up()
	return w
}

// Gateways that send a client round and round lose it after five redirects.
func TestRedirectLoop(t *testing.T) {
	w := following(nil)
	for i := range 5 {
		sentTo(t, w, fmt.Sprintf("192.0.2.%d", 10+i), same)
		if len(w.Network) != 1 {
			t.Fatalf("redirect %d was not followed", i)
		}
	}
	sentTo(t, w, "192.0.2.99", same)
	f := w.A.Machine.Snapshot().LastFailure
	if len(w.Network) != 0 || f == nil || f.Reason != sa.ReasonRedirectLoop {
		t.Errorf("after six redirects a sends %v, its failure is %v", w.Network, f)
	}
}

// A REDIRECT that anybody could have sent, or that was not asked for, is dropped:
// the true answer still counts.
func TestForgedRedirect(t *testing.T) {
	for what, forge := range map[string]func([]byte) []byte{
		"no nonce":      func([]byte) []byte { return nil },
		"another nonce": func(b []byte) []byte { return make([]byte, len(b)) },
		"a longer one":  func(b []byte) []byte { return append([]byte{}, append(b, 0)...) },
	} {
		w := following(nil)
		request := *w.Network[0]
		sentTo(t, w, "192.0.2.66", forge)
		if len(w.Network) != 0 {
			t.Errorf("%s: a follows", what)
		}
		w.Network = append(w.Network, &request)
		w.DeliverAll()
		if err := transcript.Agree(w); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	w := following(func(a, _ *sa.Settings) { a.FollowRedirects = false })
	if sentTo(t, w, "192.0.2.66", same); len(w.Network) != 0 {
		t.Error("a follows, and must not")
	}
}

// Where the peer's address stands for its identity, it is that of the gateway
// which was asked first: a redirect, which is not authenticated, chooses nobody.
func TestRedirectKeepsTheIdentity(t *testing.T) {
	for shown, taken := range map[string]bool{"192.0.2.2": true, "192.0.2.3": false} {
		w := following(func(a, b *sa.Settings) {
			a.RemoteIdentity, b.LocalIdentity = auth.Identity{}, transcript.Identity(shown)
			b.RedirectTo = "192.0.2.3"
		})
		w.DeliverAll()
		if up(w.A) != taken {
			t.Errorf("the other gateway shows %s: a is up: %v", shown, up(w.A))
		}
	}
}

// Only who answered the first IKE_SA_INIT sends the other away (RFC 5685 §5).
func TestClientDoesNotRedirect(t *testing.T) {
	w := following(func(_, b *sa.Settings) { b.FollowRedirects = true })
	w.DeliverAll()
	got := forge(w, wire.ExchangeInformational, &wire.Notify{NotifyType: wire.NotifyRedirect,
		Data: wire.AppendGateway(nil, wire.Gateway{Addr: netip.MustParseAddr("192.0.2.66")})})
	if got != "" || len(w.B.Machine.Snapshot().IKE) != 1 {
		t.Errorf("b answers %q and has %d IKE SAs", got, len(w.B.Machine.Snapshot().IKE))
	}
}
