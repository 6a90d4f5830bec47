package ikev2_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// Each way in which an answer to the rekey of an IKE SA may not fit the request ends it, at
// the peer too (RFC 7296 §1.3.2, §2.7).
func TestAnswersToARekeyThatDoNotFit(t *testing.T) {
	choice := func(change func(*wire.Proposal)) func(wire.Payload) wire.Payload {
		return func(p wire.Payload) wire.Payload {
			o, ok := p.(*wire.SecurityAssociation)
			if !ok {
				return p
			}
			chosen := o.Proposals[0]
			chosen.Transforms = slices.Clone(chosen.Transforms)
			change(&chosen)
			return &wire.SecurityAssociation{Proposals: []wire.Proposal{chosen}}
		}
	}
	transformOf := func(p *wire.Proposal, typ wire.TransformType) *wire.Transform {
		i := slices.IndexFunc(p.Transforms, func(t wire.Transform) bool { return t.Type == typ })
		return &p.Transforms[i]
	}
	for name, alter := range map[string]func(wire.Payload) wire.Payload{
		"an SPI of zero":               choice(func(p *wire.Proposal) { p.SPI = make([]byte, 8) }),
		"an SPI of four octets":        choice(func(p *wire.Proposal) { p.SPI = make([]byte, 4) }),
		"a PRF that was not offered":   choice(func(p *wire.Proposal) { transformOf(p, wire.TransformPRF).ID = 7 }),
		"a group that was not asked":   choice(func(p *wire.Proposal) { transformOf(p, wire.TransformKeyExchange).ID = 19 }),
		"a group that was not offered": choice(func(p *wire.Proposal) { transformOf(p, wire.TransformKeyExchange).ID = 14 }),
		"two groups":                   choice(func(p *wire.Proposal) { p.Transforms = append(p.Transforms, wire.Transform{Type: 4, ID: 19}) }),
		"a share of another group": func(p wire.Payload) wire.Payload {
			if ke, ok := p.(*wire.KeyExchange); ok {
				return &wire.KeyExchange{Group: 19, Data: ke.Data}
			}
			return p
		},
		"no share": func(p wire.Payload) wire.Payload {
			if _, ok := p.(*wire.KeyExchange); ok {
				return &wire.VendorID{Data: []byte("none")}
			}
			return p
		},
	} {
		a, b := transcript.Pair()
		a.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ecp256")
		b.IKEProposals = a.IKEProposals
		w := transcript.New(a, b, nil)
		w.Stand()
		w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			if h.Exchange != wire.ExchangeCreateChildSA || !h.Flags.Response() {
				return ps
			}
			out := slices.Clone(ps)
			for i := range out {
				out[i] = alter(out[i])
			}
			return out
		}
		w.A.Step(sa.Rekey{IKE: true})
		for len(w.Network) > 0 && answer(w.A) != "D(IKE)" {
			w.Deliver(0)
		}
		if got := answer(w.A); got != "D(IKE)" || up(w.A) || len(w.A.Inbound) != 0 {
			t.Errorf("%s: a sends %s, is %v and receives on %d SPIs", name, got, w.A.Snapshot().State, len(w.A.Inbound))
		}
	}
}

// Another group that the peer wants in CREATE_CHILD_SA is tried at once if it was offered
// and not tried before; otherwise the exchange failed (RFC 7296 §1.3).
func TestGroupsThatAreTriedLater(t *testing.T) {
	for name, c := range map[string]struct {
		wanted []byte
		groups []uint16 // of the requests
	}{
		"one that was offered":         {[]byte{0, 19}, []uint16{31, 19}},
		"the one that was sent":        {[]byte{0, 31}, []uint16{31}},
		"one that was tried":           {[]byte{0, 19, 0, 31}, []uint16{31, 19}},
		"one that was not offered":     {[]byte{0, 20}, []uint16{31}},
		"one of an octet, which is no": {[]byte{19}, []uint16{31}},
	} {
		for _, ask := range []sa.Rekey{{Children: true}, {IKE: true}} {
			a, b := transcript.Pair()
			a.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ecp256")
			a.ESPProposals = transcript.Proposals(transform.ESP, "aes256gcm16-x25519-ecp256")
			b.IKEProposals, b.ESPProposals = a.IKEProposals, a.ESPProposals
			w := transcript.New(a, b, nil)
			w.Stand()
			var groups []uint16
			w.A.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
				for _, p := range ps {
					if ke, ok := p.(*wire.KeyExchange); ok {
						groups = append(groups, ke.Group)
					}
				}
				return ps
			}
			w.A.Step(ask)
			for rest := c.wanted; len(rest) > 0 && len(w.Network) > 0; rest = rest[min(2, len(rest)):] {
				w.Network = nil
				n := &wire.Notify{NotifyType: wire.NotifyInvalidKEPayload, Data: rest[:min(2, len(rest))]}
				w.A.Receive(sa.Datagram{Raw: w.B.Machine.Refuse(wire.ExchangeCreateChildSA, n),
					Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("192.0.2.2:4500")})
			}
			w.Advance(time.Second, false)
			if !slices.Equal(groups, c.groups) || len(w.A.Snapshot().IKE) != 1 {
				t.Errorf("%+v, %s: a sends shares of %v, want %v, and is %v", ask, name, groups, c.groups, w.A.Snapshot().State)
			}
		}
	}
}

// A request to replace a Child SA names it by the protocol and the SPI that its sender
// receives on; one that names another is answered CHILD_SA_NOT_FOUND, with the same name
// (RFC 7296 §1.3.3, §2.25.1).
func TestRekeyOfWhatIsNotThere(t *testing.T) {
	w := tunnel(t)
	mine, theirs := spiOctets(w.A.Sends("net").SPIIn), spiOctets(w.B.Sends("net").SPIIn)
	for name, n := range map[string]*wire.Notify{
		"no SPI of a's":          notify(wire.NotifyRekeySA, wire.ProtocolESP, []byte{1, 2, 3, 4}),
		"the SPI of b":           notify(wire.NotifyRekeySA, wire.ProtocolESP, theirs),
		"an SPI of AH":           notify(wire.NotifyRekeySA, wire.ProtocolAH, mine),
		"an SPI of 3 octets":     notify(wire.NotifyRekeySA, wire.ProtocolESP, mine[:3]),
		"an SPI of 5 octets":     notify(wire.NotifyRekeySA, wire.ProtocolESP, append(slices.Clone(mine), 0)),
		"nothing by its SPI":     notify(wire.NotifyRekeySA, wire.ProtocolESP, nil),
		"an SPI and no protocol": notify(wire.NotifyRekeySA, 0, mine),
	} {
		var said *wire.Notify
		w.B.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
			said, _ = ps[0].(*wire.Notify)
			return ps
		}
		got := forge(w, wire.ExchangeCreateChildSA, append([]wire.Payload{n}, childOffer(77)...)...)
		w.DeliverAll()
		if got != "N(CHILD_SA_NOT_FOUND)" {
			t.Errorf("%s: b answers %s", name, got)
			continue
		}
		if n.Protocol == wire.ProtocolESP && len(n.SPI) == 4 && (said.Protocol != n.Protocol || !slices.Equal(said.SPI, n.SPI)) {
			t.Errorf("%s: b answers about %v %x", name, said.Protocol, said.SPI)
		}
	}
}

func spiOctets(spi uint32) []byte { return binary.BigEndian.AppendUint32(nil, spi) }

// A Delete names the SPIs that its sender receives on, and the answer those of the other
// direction. One that crosses ours of the same Child SA is answered without (RFC 7296
// §1.4.1).
func TestSPIsOfADelete(t *testing.T) {
	for _, crosses := range []bool{false, true} {
		w := tunnel(t)
		mine, theirs := spiOctets(w.A.Sends("net").SPIIn), spiOctets(w.B.Sends("net").SPIIn)
		deleted := [][]byte{}
		see := func(h wire.Header, ps []wire.Payload) []wire.Payload {
			for _, p := range ps {
				if d, ok := p.(*wire.Delete); ok && h.Flags.Response() {
					deleted = append(deleted, d.SPIs...)
				}
			}
			return ps
		}
		w.B.Faulty = see
		if got := forge(w, wire.ExchangeInformational, &wire.Delete{Protocol: wire.ProtocolESP, SPIs: [][]byte{theirs}}); got != "" || len(w.B.Inbound) != 1 {
			t.Errorf("b takes its own SPI for one of a's: it answers %s", got)
		}
		w.DeliverAll()
		for _, n := range []int{1, 3, 5, 8} {
			if got := forge(w, wire.ExchangeInformational, &wire.Delete{Protocol: wire.ProtocolESP, SPIs: [][]byte{append(slices.Clone(mine), 0, 0, 0, 0)[:n]}}); got != "" || len(w.B.Inbound) != 1 {
				t.Errorf("b takes %d octets for an SPI: it answers %s", n, got)
			}
			w.DeliverAll()
		}
		if crosses {
			w.B.Step(sa.LifetimeHit{SPI: binary.BigEndian.Uint32(theirs), Hard: true}) // its DELETE stays on the network
		}
		forge(w, wire.ExchangeInformational, &wire.Delete{Protocol: wire.ProtocolESP, SPIs: [][]byte{mine}})
		want := [][]byte{theirs}
		if crosses {
			want = nil
		}
		if !slices.EqualFunc(deleted, want, slices.Equal) {
			t.Errorf("crossing %v: b answers with the SPIs %x, want %x", crosses, deleted, want)
		}
	}
}

// Who sees a request of a peer behind a NAT, and sends a copy of it from elsewhere, moves
// nobody (RFC 7296 §2.23).
func TestCopiesMoveNobody(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	w.NAT, w.NATShift = netip.MustParseAddr("198.51.100.9"), 20000
	w.Stand()
	raw := w.A.Machine.ForgeRaw(wire.ExchangeInformational, wire.PayloadNone, nil)
	at, from := netip.MustParseAddrPort("192.0.2.2:4500"), netip.AddrPortFrom(w.NAT, 34500)
	if i := w.B.Machine.Snapshot().IKE[0]; i.NAT != "remote" {
		t.Fatalf("b sees a NAT: %s", i.NAT)
	}
	for _, from := range []netip.AddrPort{from, from, netip.MustParseAddrPort("203.0.113.66:4500")} {
		w.B.Receive(sa.Datagram{Raw: slices.Clone(raw), Local: at, Remote: from})
	}
	if i := w.B.Machine.Snapshot().IKE[0]; i.Remote != from {
		t.Errorf("b follows a copy to %v", i.Remote)
	}
}
