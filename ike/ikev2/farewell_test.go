package ikev2_test

import (
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// crossed is a whose DELETE is through, and b's DELETE, which crossed it and is still
// on the network.
func crossed(t *testing.T) (*transcript.World, *transcript.Packet) {
	t.Helper()
	w := tunnel(t)
	w.A.Step(sa.Down{})
	w.B.Step(sa.Down{})
	w.Deliver(0)
	w.Deliver(1)
	if n := len(w.A.Machine.Snapshot().IKE); n != 0 || len(w.Network) != 1 {
		t.Fatalf("a has %d IKE SAs, %d messages are on the network", n, len(w.Network))
	}
	return w, w.Network[0]
}

// answersTo is how many answers to its request 0 b could read.
func answersTo(t *testing.T, w *transcript.World) (n int) {
	t.Helper()
	for len(w.Network) > 0 {
		p := w.Drop(0)
		h, err := wire.ParseHeader(p.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if p.From == w.A && h.Flags.Response() && h.Exchange == wire.ExchangeInformational && h.MessageID == 0 {
			n++
		}
	}
	return n
}

// A DELETE that crosses ours is answered also when ours is through (RFC 7296 §2.25.2),
// for a while and a few times; nothing else is.
func TestDeleteBehindOurs(t *testing.T) {
	w, p := crossed(t)
	w.Drop(0)
	d := sa.Datagram{Raw: p.Bytes, Local: p.Destination, Remote: p.Source}
	h, err := wire.ParseHeader(p.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	other := h
	other.Exchange = wire.ExchangeCreateChildSA
	next := h
	next.MessageID++
	short, err := (&wire.Message{Header: h, Payloads: []wire.Payload{&wire.Encrypted{Body: make([]byte, 8)}}}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{protected(t, other), protected(t, next), p.Bytes[:40], short} {
		w.A.Receive(sa.Datagram{Raw: raw, Local: d.Local, Remote: d.Remote})
		if n := answersTo(t, w); n != 0 {
			t.Errorf("%d answers to %v", n, h)
		}
	}
	w.A.Receive(d)
	if n := answersTo(t, w); n != 1 {
		t.Errorf("%d answers to the DELETE", n)
	}
	for range 100 {
		w.A.Receive(d)
	}
	if n := answersTo(t, w); n == 0 || n > 16 {
		t.Errorf("%d answers to 100 copies", n)
	}
	w.Advance(time.Minute, false)
	if w.Network = nil; w.A.Keyed() > 0 {
		t.Error("a holds the IKE SA a minute later")
	}
}

// A peer that replaces its IKE SA again and again has few of those that are closed held.
func TestClosedIKESAsAreFew(t *testing.T) {
	w := tunnel(t)
	for range 200 {
		w.A.Step(sa.Rekey{IKE: true})
		w.DeliverAll()
	}
	for _, h := range []*transcript.Host{w.A, w.B} {
		if n := h.Keyed(); n > 40 {
			t.Errorf("%s holds %d IKE SAs", h.Name, n)
		}
	}
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}
