package ikev1

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
)

// Of one message 64 fragments and 16 KiB are kept, and no more; what would need more
// fragments goes whole.
func TestAssemblyBounds(t *testing.T) {
	for _, c := range []struct {
		fragments, octets int
		whole             bool
	}{{64, 1, true}, {65, 1, false}, {16, 1 << 10, true}, {17, 1 << 10, false}} {
		var a assembly
		var got []byte
		var err error
		for n := 1; n <= c.fragments && err == nil; n++ {
			got, err = a.add(&isakmp.Fragment{ID: 1, Number: uint8(n), Last: n == c.fragments, Data: make([]byte, c.octets)})
		}
		if (err == nil && len(got) == c.fragments*c.octets) != c.whole {
			t.Errorf("%d fragments of %d octets: %d octets, %v", c.fragments, c.octets, len(got), err)
		}
	}
	to := netip.MustParseAddrPort("192.0.2.2:4500")
	room := 576 - udpHeaderLen - markerLen - 20 - fragmentOverhead
	for size, want := range map[int]int{64 * room: 64, 64*room + 1: 1} {
		raw, err := (&isakmp.Message{Header: isakmp.Header{InitiatorCookie: 1, Exchange: isakmp.ExchangeMain, Flags: isakmp.FlagEncryption},
			Body: make([]byte, size-isakmp.HeaderLen)}).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(cut(raw, isakmp.ExchangeMain, 1, 576, to)); n != want {
			t.Errorf("a message of %d octets goes in %d datagrams, want %d", size, n, want)
		}
	}
}

// A message is of the SA whose cookies it names, both of them once both are known (RFC 2408
// §2.5.3).
func TestCookiesNameAnSA(t *testing.T) {
	for _, c := range []struct {
		cookieR uint64
		h       isakmp.Header
		want    bool
	}{
		{2, isakmp.Header{InitiatorCookie: 1, ResponderCookie: 2}, true},
		{2, isakmp.Header{InitiatorCookie: 1, ResponderCookie: 3}, false},
		{2, isakmp.Header{InitiatorCookie: 1}, false},
		{2, isakmp.Header{InitiatorCookie: 3, ResponderCookie: 2}, false},
		{0, isakmp.Header{InitiatorCookie: 1, ResponderCookie: 3}, true},
		{0, isakmp.Header{InitiatorCookie: 2, ResponderCookie: 3}, false},
	} {
		s := &ikeSA{association: association{cookieI: 1, cookieR: c.cookieR}}
		if got := s.named(c.h); got != c.want {
			t.Errorf("an SA with cookies 1 and %d is named by %d and %d: %v", c.cookieR, c.h.InitiatorCookie, c.h.ResponderCookie, got)
		}
	}
}

// The answer to an offer is one of its transforms: not two, and none that was not offered
// (RFC 2408 §4.2).
func TestAnswerIsOfTheOffer(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	s := d.a.m.sas[0]
	m, err := isakmp.ParseMessage(d.wire[0].raw)
	if err != nil {
		t.Fatal(err)
	}
	offer, ok := isakmp.Find[*isakmp.SecurityAssociation](m.Payloads)
	if !ok || len(offer.Proposals) != 1 {
		t.Fatalf("a offers %+v", offer)
	}
	answer := func(ts ...isakmp.Transform) *isakmp.SecurityAssociation {
		p := offer.Proposals[0]
		p.Transforms = ts
		out := *offer
		out.Proposals = []isakmp.Proposal{p}
		return &out
	}
	first := offer.Proposals[0].Transforms[0]
	if _, _, f := s.confirm(answer(first)); f != nil {
		t.Errorf("one of its transforms: %v", f)
	}
	if _, _, f := s.confirm(answer(first, first)); f == nil {
		t.Error("two transforms are taken")
	}
	for i := range first.Attributes {
		other := first
		other.Attributes = append([]isakmp.Attribute{}, first.Attributes...)
		a := other.Attributes[i]
		if a.Type == isakmp.AttrLifeType || a.Type == isakmp.AttrLifeDuration {
			continue
		}
		a.Value = bytes.Clone(a.Value)
		a.Value[len(a.Value)-1] ^= 0x40
		other.Attributes[i] = a
		if _, _, f := s.confirm(answer(other)); f == nil {
			t.Errorf("a transform with another attribute %d is taken", a.Type)
		}
	}
}

// A message is repeated by time, to a limit; a copy of the peer's brings the same octets,
// and that not for ever (RFC 2408 §5.1).
func TestRepeater(t *testing.T) {
	start := time.Unix(0, 0)
	policy := sa.RetransmitPolicy{First: time.Second, Factor: 2, Tries: 3}
	none := func() float64 { return 0 }
	var r repeater
	r.say(start, policy, []byte("ours"), "", true, none)
	for after, want := range []string{"", "ours", "", "ours", "", "", "", "over"} {
		raw, exhausted := r.repeat(start.Add(time.Duration(after)*time.Second), policy, none)
		got := string(raw)
		if exhausted {
			got = "over"
		}
		if got != want {
			t.Errorf("after %d s: %q, want %q", after, got, want)
		}
	}
	r.hear([]byte("theirs"))
	if answer, repeated := r.again([]byte("another")); repeated || answer != nil {
		t.Error("another message counts as a copy")
	}
	answers := 0
	for range 100 {
		answer, repeated := r.again([]byte("theirs"))
		if !repeated {
			t.Fatal("a copy does not count as one")
		}
		if answer != nil {
			answers++
		}
	}
	if answers == 0 || answers > maxAnswers {
		t.Errorf("100 copies are answered %d times", answers)
	}
}

// A message of phase 2 is taken once, by its ID, and 0 is the ID of none (RFC 2409 §5.5).
func TestMessageIDsAreUsedOnce(t *testing.T) {
	d := joined(t)
	ask := func(id uint32) (answers int) {
		p := d.a.forge(isakmp.ExchangeInformational, id, same, d.a.m.current().notification(isakmp.RUThere, []byte{0, 0, 0, 9}))
		before := len(d.b.out)
		d.b.receive(p)
		return len(d.b.out) - before
	}
	for _, c := range []struct {
		id      uint32
		answers int
	}{{77, 1}, {77, 0}, {78, 1}, {77, 0}, {0, 0}} {
		if n := ask(c.id); n != c.answers {
			t.Errorf("a question with message ID %d is answered %d times, want %d", c.id, n, c.answers)
		}
	}
}
