package ikev2_test

import (
	"testing"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// noticing is how long a takes to end an IKE SA that b lost, with a packet every second
// or with none, where b denies to have it or says nothing. The waits are jittered by seed.
func noticing(t *testing.T, dpd, ahead time.Duration, talks, mute bool, seed uint64) time.Duration {
	t.Helper()
	a, b := transcript.Pair()
	a.DPD, b.DPD = dpd, dpd
	w := transcript.New(a, b, nil)
	w.A.Retransmit = sa.DefaultRetransmit
	w.A.Restart(cookie.Config{})
	w.A.Reseed(seed)
	w.Stand()
	w.Advance(ahead, true)
	w.B.Crash()
	if mute {
		w.Mute = w.B
	}
	since := w.Now
	for n := 0; len(w.A.Machine.Snapshot().IKE) > 0 && w.Now.Sub(since) < 3*time.Minute; n++ {
		if talks && n%10 == 0 {
			w.A.Ping("net", 0)
		}
		w.Advance(100*time.Millisecond, true)
	}
	return w.Now.Sub(since)
}

// An IKE SA that the peer lost, and cannot prove to have lost, ends within the liveness
// interval, whatever passes and whether the peer says so or nothing (RFC 7296 §2.4,
// §2.21.4). An interval that has no room for five questions a second apart is exceeded.
func TestLostIKESAIsNoticedInTime(t *testing.T) {
	for _, dpd := range []time.Duration{time.Second, 5 * time.Second, 7500 * time.Millisecond, 10 * time.Second, 30 * time.Second, 45 * time.Second, 2 * time.Minute} {
		within := dpd
		if dpd < 7500*time.Millisecond {
			within = dpd/3 + 5100*time.Millisecond // of which 100 ms are how often it is looked at
		}
		for n := range 40 {
			talks, mute := n%2 == 0, n%4 < 2
			ahead := []time.Duration{0, 3 * time.Second, dpd - time.Second}[n%3]
			if took := noticing(t, dpd, ahead, talks, mute, uint64(n)); took > within {
				t.Errorf("dpd %v, %v after it was up, traffic %v, silence %v: noticed after %v", dpd, ahead, talks, mute, took)
			}
		}
	}
}

// denial is an INVALID_IKE_SPI for a message that is on the network.
func denial(t *testing.T, p *transcript.Packet) sa.Datagram {
	t.Helper()
	h, err := wire.ParseHeader(p.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	h.Flags = (h.Flags ^ wire.FlagInitiator) | wire.FlagResponse
	raw, err := (&wire.Message{Header: h, Payloads: []wire.Payload{notify(wire.NotifyInvalidIKESPI, 0, nil)}}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return sa.Datagram{Raw: raw, Local: p.Source, Remote: p.Destination}
}

// slander has a's next liveness check denied by somebody who sees it, as often as it is
// sent; what b answers is held back until held after its first send. It tells whether the
// IKE SA stands a minute later.
func slander(t *testing.T, held time.Duration, deny func(sends int) bool) bool {
	t.Helper()
	w := tunnel(t)
	w.Advance(20*time.Second, true)
	for len(w.Network) == 0 {
		w.Advance(100*time.Millisecond, false)
	}
	since, seen, sends := w.Now, 0, 0
	for up(w.A) && w.Now.Sub(since) < time.Minute {
		for i := 0; i < len(w.Network); i++ {
			p := w.Network[i]
			if p.From != w.A || p.Number <= seen {
				continue
			}
			seen = p.Number
			if sends++; deny(sends) {
				w.A.Receive(denial(t, p))
			}
		}
		if w.Now.Sub(since) >= held {
			w.DeliverAll()
		}
		w.Advance(100*time.Millisecond, w.Now.Sub(since) >= held)
	}
	return up(w.A) && up(w.B)
}

// Whoever sees a liveness check and denies each of its sends ends nothing while the
// peer's answers arrive, if late; and without denials of nearly all sends the whole
// schedule is gone through.
func TestDenialsEndNothing(t *testing.T) {
	always := func(int) bool { return true }
	if !slander(t, 4500*time.Millisecond, always) {
		t.Error("an answer after 4.5 s came too late")
	}
	if slander(t, time.Minute, always) {
		t.Error("the IKE SA stands though nothing was answered")
	}
	for name, deny := range map[string]func(int) bool{
		"the first is denied":      func(n int) bool { return n == 1 },
		"the first two are denied": func(n int) bool { return n <= 2 },
		"only others are denied":   func(n int) bool { return n >= 3 },
	} {
		if !slander(t, 19*time.Second, deny) {
			t.Errorf("%s: an answer after 19 s came too late", name)
		}
	}
}

// An INVALID_IKE_SPI that answers nothing has the peer asked, and not often; one from
// elsewhere does not.
func TestUnsolicitedDenial(t *testing.T) {
	w := tunnel(t)
	asks := func(from sa.Datagram, times int) int {
		for range times {
			w.A.Receive(from)
		}
		n := len(w.Network)
		w.DeliverAll()
		return n
	}
	ike := w.A.Machine.Snapshot().IKE[0]
	raw, err := (&wire.Message{Header: wire.Header{InitiatorSPI: ike.SPIi, ResponderSPI: ike.SPIr, Exchange: wire.ExchangeInformational,
		Flags: wire.FlagResponse, MessageID: 77}, Payloads: []wire.Payload{notify(wire.NotifyInvalidIKESPI, 0, nil)}}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := sa.Datagram{Raw: raw, Local: atA, Remote: atB}
	elsewhere := d
	elsewhere.Remote = atA
	if n := asks(elsewhere, 3); n != 0 {
		t.Errorf("a asked %d times because of somebody elsewhere", n)
	}
	if n := asks(d, 50); n != 1 {
		t.Errorf("a asked %d times", n)
	}
	if n := asks(d, 50); n != 0 {
		t.Errorf("a asked %d times again at once", n)
	}
	w.Advance(3*time.Second, true)
	if n := asks(d, 50); n != 1 {
		t.Errorf("a asked %d times 3 s later", n)
	}
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

// A peer that has not the answer that made an IKE SA by a rekey knows only its own SPI of
// it: what it denies ends nothing.
func TestDenialBeforeTheAnswer(t *testing.T) {
	w := tunnel(t)
	w.A.Step(sa.Rekey{IKE: true})
	w.Deliver(0) // b has the new IKE SA
	w.Drop(0)    // a has not
	w.B.Step(sa.Rekey{Children: true})
	denied := 0
	for range 65 {
		w.Advance(200*time.Millisecond, false)
		for len(w.Network) > 0 {
			if p := w.Drop(0); p.From == w.B {
				denied++
				w.B.Receive(denial(t, p))
			}
		}
	}
	if denied < 3 {
		t.Fatalf("b sent %d messages", denied)
	}
	if n := len(w.B.Machine.Snapshot().IKE); n != 2 {
		t.Errorf("b has %d IKE SAs", n)
	}
	w.Advance(time.Minute, true)
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}
