package ikev2_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway/esp/selector"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// An attribute that is not known spoils the transform that has it, and nothing else (RFC
// 7296 §3.3.6).
func TestUnknownAttributes(t *testing.T) {
	for name, c := range map[string]struct {
		also bool // the transform without it, too
		want string
	}{"alone": {false, "N(NO_PROPOSAL_CHOSEN)"}, "beside one that is known": {true, "SA KE No N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP)"}} {
		a, b := transcript.Pair()
		w := transcript.New(a, b, nil)
		w.B.Receive(sa.Datagram{Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: netip.MustParseAddrPort("192.0.2.1:500"),
			Raw: initRequest(t, func(m *wire.Message) {
				p := &m.Payloads[0].(*wire.SecurityAssociation).Proposals[0]
				strange := p.Transforms[0]
				strange.Attributes = append(slices.Clone(strange.Attributes), wire.Attribute{Type: 99, Value: 1})
				if c.also {
					p.Transforms = append([]wire.Transform{strange}, p.Transforms...)
				} else {
					p.Transforms[0] = strange
				}
			})})
		if got := answer(w.B); got != c.want {
			t.Errorf("%s: b answers %s", name, got)
		}
	}
}

// Nothing is made of an answer that grants what was not asked for, or leaves out what was
// agreed: transport mode, or the share of a group; the peer hears of it (RFC 7296 §1.3.1,
// §1.3).
func TestAnswersAboutAChildThatDoNotFit(t *testing.T) {
	for name, alter := range map[string]func([]wire.Payload) []wire.Payload{
		"transport mode": func(ps []wire.Payload) []wire.Payload {
			return append(slices.Clone(ps), notify(wire.NotifyUseTransportMode, 0, nil))
		},
		"no share of the group": func(ps []wire.Payload) []wire.Payload {
			return slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool { return p.Type() == wire.PayloadKE })
		},
	} {
		a, b := transcript.Pair()
		a.ESPProposals = transcript.Proposals(transform.ESP, "aes256gcm16-x25519")
		b.ESPProposals = a.ESPProposals
		told := false
		w := transcript.New(a, b, func(line string) {
			told = told || strings.Contains(line, "a sends INFORMATIONAL") && strings.HasSuffix(line, "D(ESP)")
		})
		w.Stand()
		before := w.A.Sends("net").SPIIn
		w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			if h.Exchange != wire.ExchangeCreateChildSA || !h.Flags.Response() {
				return ps
			}
			return alter(ps)
		}
		w.A.Step(sa.Rekey{Children: true})
		w.DeliverAll()
		if c := w.A.Sends("net"); c.SPIIn != before || !told {
			t.Errorf("%s: a sends on another Child SA %v, and tells b %v", name, c.SPIIn != before, told)
		}
	}
}

// Where there is no NAT, a selector of another host is not taken for the peer (RFC 7296
// §2.23.1).
func TestTransportForAnotherHost(t *testing.T) {
	a, b := transcript.Pair()
	a.Children = []sa.ChildSettings{{Name: "net", Mode: sa.ModeTransport, Local: selector.Any(), Remote: selector.Any()}}
	b.Children = a.Children
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.A.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
		out := slices.Clone(ps)
		for i, p := range out {
			if ts, ok := p.(*wire.TrafficSelectors); ok && ts.Initiator {
				other := ts.Selectors[0]
				other.Start, other.End = netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("10.9.9.9")
				out[i] = &wire.TrafficSelectors{Initiator: true, Selectors: []wire.TrafficSelector{other}}
			}
		}
		return out
	}
	w.A.Up()
	w.DeliverAll()
	if got := answer(w.B); !strings.Contains(got, "N(TS_UNACCEPTABLE)") || len(w.B.Inbound) != 0 {
		t.Errorf("b answers %s", got)
	}
}

// While the IKE SA waits to be deleted the peer's requests for SAs are put off, and so is
// a second rekey of the IKE SA while one collides (RFC 7296 §2.25).
func TestRequestsThatArePutOff(t *testing.T) {
	for _, ask := range []sa.Rekey{{Children: true}, {IKE: true}} {
		w := tunnel(t)
		w.A.Step(sa.Rekey{Children: true})
		w.A.Step(sa.Down{}) // its DELETE waits for the answer
		w.B.Step(ask)
		w.A.Actions = nil
		w.Deliver(len(w.Network) - 1)
		if got := answer(w.A); got != "N(TEMPORARY_FAILURE)" {
			t.Errorf("%+v: a, which is to delete the IKE SA, answers %s", ask, got)
		}
	}
	w := tunnel(t)
	var said []wire.Payload
	w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange == wire.ExchangeCreateChildSA && said == nil {
			said = ps
		}
		return ps
	}
	w.A.Step(sa.Rekey{IKE: true})
	w.B.Step(sa.Rekey{IKE: true})
	w.Deliver(1)
	w.B.Machine.SetMessageIDs(1, 2)
	for _, act := range w.B.Machine.Forge(w.Now, wire.ExchangeCreateChildSA, said...) {
		if s, ok := act.(sa.Send); ok {
			w.A.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: s.Local})
		}
	}
	if got := answer(w.A); got != "N(TEMPORARY_FAILURE)" {
		t.Errorf("a, whose rekey collides with one of b, answers %s to another", got)
	}
}

// What the peer is to be told to delete is said in the IKE SA that took the place of the
// one it is of (RFC 7296 §1.4).
func TestOrphansAreInherited(t *testing.T) {
	a, b := transcript.Pair()
	told := false
	w := transcript.New(a, b, func(line string) {
		told = told || strings.Contains(line, "a sends INFORMATIONAL") && strings.HasSuffix(line, "D(ESP)")
	})
	w.Stand()
	w.A.Step(sa.Rekey{IKE: true})
	w.A.Step(sa.UnknownSPI{SPI: 0x12345678, Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("192.0.2.2:4500")})
	w.DeliverAll()
	if !told {
		t.Error("a says nothing of a Child SA that only b has")
	}
}
