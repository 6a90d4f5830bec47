package transcript

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// stages are the moments of a conversation at which strange datagrams arrive.
var stages = []struct {
	name  string
	until func(w *World)
}{
	{"nothing", func(*World) {}},
	{"init sent", func(w *World) { w.A.Up() }},
	{"init answered", func(w *World) { w.A.Up(); w.Deliver(0) }},
	{"auth sent", func(w *World) { w.A.Up(); w.Deliver(0); w.Deliver(0) }},
	{"half a tunnel", func(w *World) { w.A.Up(); w.Deliver(0); w.Deliver(0); w.Deliver(0) }},
	{"tunnel", func(w *World) { w.Stand() }},
	{"child rekeys cross", func(w *World) {
		w.Stand()
		w.A.Step(sa.Rekey{Children: true})
		w.B.Step(sa.Rekey{Children: true})
		w.Deliver(0)
	}},
	{"IKE rekeys cross", func(w *World) {
		w.Stand()
		w.A.Step(sa.Rekey{IKE: true})
		w.B.Step(sa.Rekey{IKE: true})
		w.Deliver(0)
	}},
	{"additional key exchange", func(w *World) {
		more(w)
		w.A.Up()
		w.Deliver(0)
		w.Deliver(0)
		w.Deliver(0)
	}},
	{"additional key exchange after a rekey", func(w *World) {
		more(w)
		w.A.Up()
		w.DeliverAll()
		w.A.Step(sa.Rekey{Children: true})
		w.Deliver(0)
		w.Deliver(0)
	}},
	{"deleting", func(w *World) { w.A.Up(); w.DeliverAll(); w.A.Step(sa.Down{}) }},
	{"lingering", func(w *World) { w.A.Up(); w.DeliverAll(); w.A.Step(sa.Down{}); w.Deliver(0) }},
}

// more gives both hosts, which do nothing yet, an additional key exchange and
// fragments.
func more(w *World) {
	for _, h := range []*Host{w.A, w.B} {
		h.Settings.IKEProposals = Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ke1_mlkem512")
		h.Settings.ESPProposals = Proposals(transform.ESP, "aes256gcm16-x25519-ke1_mlkem512")
		h.Settings.FragmentSize = 576
	}
}

// state is what of a machine must not change by a stranger's word.
func state(w *World) string {
	var b bytes.Buffer
	for _, h := range []*Host{w.A, w.B} {
		s := h.Snapshot()
		fmt.Fprintf(&b, "%s %v", h.Name, s.State)
		for _, i := range s.IKE {
			fmt.Fprintf(&b, " %x/%x %s %v", i.SPIi, i.SPIr, i.State, i.Remote)
		}
		for _, c := range s.Children {
			fmt.Fprintf(&b, " %x/%x %s %s", c.Child.SPIIn, c.Child.SPIOut, c.State, c.Outbound)
		}
		fmt.Fprintf(&b, " %d inbound\n", len(h.Inbound))
	}
	return b.String()
}

// stranger gives a datagram to both hosts, at machine and acceptor.
func stranger(w *World, raw []byte) {
	from := netip.MustParseAddrPort("203.0.113.77:4500")
	for _, h := range []*Host{w.A, w.B} {
		d := sa.Datagram{Raw: bytes.Clone(raw), Local: netip.AddrPortFrom(h.Addr, 4500), Remote: from}
		h.step(false, d)
		d.Raw = bytes.Clone(raw)
		h.step(true, d)
	}
}

// mutate changes one recorded message by the plan.
func mutate(raw, plan []byte) []byte {
	out := bytes.Clone(raw)
	for len(plan) >= 4 && len(out) > 0 {
		at := int(binary.BigEndian.Uint16(plan[1:])) % len(out)
		switch plan[0] % 5 {
		case 0:
			out[at] ^= plan[3] | 1
		case 1:
			out = out[:at]
		case 2:
			out = append(out, plan[3])
		case 3:
			out[at] = plan[3]
		case 4: // a length that fits
			if len(out) >= wire.HeaderLen {
				binary.BigEndian.PutUint32(out[24:], uint32(len(out)))
			}
		}
		plan = plan[4:]
	}
	return out
}

// FuzzMachineDatagram gives arbitrary bytes, and real messages of the same
// conversation changed by a plan, to both ends in every stage. Nothing panics,
// and what is not authentic changes nothing. An IKE_SA_INIT that is not
// protected may be believed, so the first stages are held to the first only.
func FuzzMachineDatagram(f *testing.F) {
	f.Add(uint8(5), uint8(0), []byte{})
	f.Add(uint8(5), uint8(3), []byte{0, 0, 40, 1})
	f.Add(uint8(3), uint8(1), []byte{1, 0, 30, 0, 4, 0, 0, 0})
	f.Add(uint8(1), uint8(255), InitRequest(7))
	f.Add(uint8(7), uint8(200), []byte{3, 0, 19, 0x20})
	f.Fuzz(func(t *testing.T, stage, which uint8, plan []byte) {
		a, b := Pair()
		w := New(a, b, nil)
		var recorded [][]byte
		record := func(_ time.Time, _ bool, ev sa.Event) {
			if d, ok := ev.(sa.Datagram); ok {
				recorded = append(recorded, d.Raw)
			}
		}
		w.A.OnEvent, w.B.OnEvent = record, record
		s := stages[int(stage)%len(stages)]
		s.until(w)
		for _, p := range w.Network {
			recorded = append(recorded, p.Bytes)
		}
		raw := plan
		if int(which) < len(recorded) {
			raw = mutate(recorded[which], plan)
			for _, r := range recorded {
				if bytes.Equal(r, raw) {
					t.Skip("not changed: the message is authentic")
				}
			}
		}
		before := state(w)
		stranger(w, raw)
		if after := state(w); after != before && !unprotected(raw) {
			t.Fatalf("%s: a stranger's message changed\n%s to\n%s", s.name, before, after)
		}
	})
}

// unprotected reports whether a message is an IKE_SA_INIT.
func unprotected(raw []byte) bool {
	h, err := wire.ParseHeader(raw)
	return err == nil && h.Exchange == wire.ExchangeIKESAInit
}

// TestManyMutations throws changed messages of a real conversation at a tunnel,
// which stands and agrees afterwards.
func TestManyMutations(t *testing.T) {
	a, b := Pair()
	w := New(a, b, nil)
	var recorded [][]byte
	record := func(_ time.Time, _ bool, ev sa.Event) {
		if d, ok := ev.(sa.Datagram); ok {
			recorded = append(recorded, d.Raw)
		}
	}
	w.A.OnEvent, w.B.OnEvent = record, record
	stages[5].until(w)
	w.A.Step(sa.Rekey{IKE: true, Children: true})
	w.Advance(20*time.Second, true)
	w.A.OnEvent, w.B.OnEvent = nil, nil
	before := state(w)
	plan := make([]byte, 8)
	for i := range 20000 {
		_, _ = w.A.random.Read(plan)
		raw := mutate(recorded[i%len(recorded)], plan)
		if unprotected(raw) && i%100 != 0 {
			continue // half-open IKE SAs are another test's
		}
		stranger(w, raw)
	}
	w.Network = nil
	if after := state(w); after != before {
		t.Fatalf("changed\n%s to\n%s", before, after)
	}
	w.Advance(2*time.Minute, true)
	if err := Agree(w); err != nil {
		t.Fatal(err)
	}
}

// TestReflected gives every message back to its sender.
func TestReflected(t *testing.T) {
	for _, s := range stages {
		a, b := Pair()
		w := New(a, b, nil)
		s.until(w)
		before := state(w)
		for _, p := range w.Network {
			p.From.Receive(sa.Datagram{Raw: bytes.Clone(p.Bytes), Local: p.Source, Remote: p.Destination})
		}
		if after := state(w); after != before {
			t.Errorf("%s: changed\n%s to\n%s", s.name, before, after)
		}
	}
}

// TestReplay runs the same conversation twice: the same actions come out, byte
// for byte.
func TestReplay(t *testing.T) {
	run := func() *World {
		a, b := Pair()
		a.ESPProposals = Proposals(transform.ESP, "aes256-sha256-x25519")
		b.ESPProposals = a.ESPProposals
		w := New(a, b, nil)
		stages[7].until(w)
		w.Advance(5*time.Minute, true)
		return w
	}
	first, second := run(), run()
	if !sameBytes(first.A.Actions, second.A.Actions) || !sameBytes(first.B.Actions, second.B.Actions) {
		t.Error("the same events gave other bytes")
	}
}

func sameBytes(a, b []sa.Action) bool {
	return bytes.Equal(sent(a), sent(b)) && len(a) == len(b)
}

func sent(actions []sa.Action) []byte {
	var out []byte
	for _, a := range actions {
		if s, ok := a.(sa.Send); ok {
			out = append(out, s.Bytes...)
		}
	}
	return out
}
