package ikev2_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/esp/selector"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// What ended strongSwan and has no number of CVE: the tests are named after its
// issues and commits. TestStrongSwan_2778 and TestStrongSwan_84a5208d98 are in
// cve_test.go.

// #2979: a signature by an algorithm that is known to nobody here (ML-DSA), or an
// authentication method of any number.
func TestStrongSwan_2979_UnknownSignature(t *testing.T) {
	mlDSA := []byte{13, 0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 18}
	proofs := []*wire.Authentication{
		{Method: wire.AuthDigitalSignature, Data: append(slices.Clone(mlDSA), make([]byte, 3309)...)}, {Method: wire.AuthDigitalSignature, Data: mlDSA},
		{Method: wire.AuthDigitalSignature, Data: []byte{255, 0x30}}, {Method: wire.AuthDigitalSignature, Data: []byte{0}}, {Method: wire.AuthDigitalSignature},
	}
	for _, method := range []int{0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15, 16, 200, 201, 255} {
		proofs = append(proofs, &wire.Authentication{Method: wire.AuthMethod(method), Data: make([]byte, 64)})
	}
	for name, way := range ways {
		for _, proof := range proofs {
			other := func(h wire.Header, ps []wire.Payload) []wire.Payload {
				out := slices.Clone(ps)
				for i, p := range out {
					if p.Type() == wire.PayloadAUTH && h.Exchange == wire.ExchangeIKEAuth {
						out[i] = proof
					}
				}
				return out
			}
			if w := meet(way, other, nil); up(w.B) || len(w.B.Inbound) > 0 {
				t.Errorf("%s: the responder takes method %d with %d octets", name, proof.Method, len(proof.Data))
			}
			if w := meet(way, nil, other); up(w.A) || len(w.A.Inbound) > 0 {
				t.Errorf("%s: the initiator takes method %d with %d octets", name, proof.Method, len(proof.Data))
			}
		}
	}
}

// #3103: all children are started, and the peer wants the first only, or none of
// them.
func TestStrongSwan_3103_ManyChildrenStarted(t *testing.T) {
	nets := []string{"10.3.0.0/16", "10.4.0.0/16", "10.5.0.0/16"}
	for wanted := range len(nets) + 1 {
		a, b := transcript.Pair()
		for i, n := range nets {
			a.Children = append(a.Children, sa.ChildSettings{Name: n, Local: a.Children[0].Local, Remote: transcript.Networks(n)})
			if i < wanted {
				b.Children = append(b.Children, sa.ChildSettings{Name: n, Local: transcript.Networks(n), Remote: b.Children[0].Remote})
			}
		}
		if wanted == 0 {
			b.Children = nil
		}
		w := transcript.New(a, b, nil)
		for range 3 {
			w.A.Up()
			w.DeliverAll()
			w.Advance(time.Minute, true)
		}
		if want := min(1+wanted, 4*wanted); len(w.A.Inbound) != want || len(w.B.Inbound) != want || len(w.Faults) > 0 {
			t.Errorf("of %d children that are wanted %d and %d are there; %v", want, len(w.A.Inbound), len(w.B.Inbound), w.Faults)
		}
	}
}

// #3113: what was to be done with an IKE SA that was not in use (PASSIVE, of high
// availability). Everything that a machine can be told comes at every step of its
// life, and it comes up or stays down, and lives.
func TestStrongSwan_3113_AnythingAtAnyTime(t *testing.T) {
	events := func(w *transcript.World) []sa.Event {
		spi := uint32(0xc0000001)
		e := []sa.Event{
			sa.TimerDue{}, sa.WorkDone{Ticket: 7}, sa.TrafficNeeded{Flow: selector.Flow{}}, sa.LifetimeHit{SPI: spi}, sa.LifetimeHit{SPI: spi, Hard: true},
			sa.EndpointSeen{SPI: spi, Local: atA, Remote: atB}, sa.MoveTo{Local: atA, Remote: atB}, sa.UnknownSPI{SPI: 9, Local: atA, Remote: atB},
			sa.Doubted{SPI: spi}, sa.Redirected{Local: atA, Remote: atB}, sa.Redirected{Failure: &sa.Failure{}}, sa.ProbePath{Size: 1400, Most: 1500},
			sa.LocalAddress{Addr: netip.MustParseAddr("192.0.2.9")}, sa.PathsFound{SPI: 1}, sa.Synchronize{SPI: 1, Send: 5, Receive: 5, Replay: 100},
			sa.Rekey{IKE: true}, sa.Rekey{Children: true}, sa.Rekey{Reauthenticate: true}, sa.Down{}, sa.Up{Local: atA, Remote: atB},
		}
		for _, s := range w.A.Machine.Snapshot().IKE {
			e = append(e, sa.Synchronize{SPI: s.SPIi, Send: 5, Receive: 5, Replay: 100}, sa.PathsFound{SPI: s.SPIi})
		}
		return e
	}
	for step := range 6 {
		for i := range 25 {
			a, b := transcript.Pair()
			w := transcript.New(a, b, nil)
			w.HoldWork = step == 3
			if step > 0 {
				w.A.Up()
			}
			for range step - 1 {
				if len(w.Network) > 0 {
					w.Deliver(0)
				}
			}
			if e := events(w); i < len(e) {
				w.A.Step(e[i])
				w.HoldWork = false
				w.Work()
				w.Advance(10*time.Minute, true)
				w.A.Up()
				w.Advance(10*time.Minute, true)
				if !up(w.A) || !up(w.B) {
					t.Errorf("step %d, %T %+v: the hosts do not connect afterwards", step, e[i], e[i])
				}
			}
		}
	}
}
