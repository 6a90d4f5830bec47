package wire

import (
	"bytes"
	"testing"
)

// sameOpening compares what Opening finds in b with the message that b is.
func sameOpening(t *testing.T, b []byte, m *Message) {
	t.Helper()
	var want *Nonce
	for _, p := range m.Payloads {
		if n, ok := p.(*Nonce); ok && want == nil {
			want = n
		}
	}
	nonce, cookie, err := Opening(b)
	if want == nil {
		if err == nil {
			t.Fatalf("a nonce %x in what has none", nonce)
		}
		return
	}
	var shown []byte
	if n := FindNotify(m.Payloads, NotifyCookie); n != nil {
		shown = n.Data
	}
	if err != nil || !bytes.Equal(nonce, want.Data) || !bytes.Equal(cookie, shown) {
		t.Fatalf("nonce %x, cookie %x (%v), want %x and %x", nonce, cookie, err, want.Data, shown)
	}
}

// opening is a request with these payloads before its nonce.
func opening(t *testing.T, before ...Payload) []byte {
	t.Helper()
	b, err := (&Message{Header: Header{InitiatorSPI: 1, Exchange: ExchangeIKESAInit, Flags: FlagInitiator},
		Payloads: append(before, &Nonce{Data: make([]byte, MinNonceLen)})}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpening(t *testing.T) {
	cookie := &Notify{NotifyType: NotifyCookie, Data: []byte("shown")}
	other := &Notify{NotifyType: NotifyIKEv2FragmentationSupported}
	requests := [][]byte{unhex(t, goldenInit), unhex(t, goldenSK), opening(t), opening(t, cookie), opening(t, other, cookie, &Notify{NotifyType: NotifyCookie, Data: []byte("again")})}
	for name := range strongSwan {
		requests = append(requests, strongSwanMessage(t, name))
	}
	for _, b := range requests {
		m, err := ParseMessage(b)
		if err != nil {
			t.Fatal(err)
		}
		sameOpening(t, b, m)
		for n := range b {
			if _, _, err := Opening(b[:n:n]); err == nil {
				t.Fatalf("%d octets of %x are taken for a whole request", n, b)
			}
		}
		if _, _, err := Opening(append(bytes.Clone(b), 0)); err == nil {
			t.Fatal("an octet too many")
		}
	}
}

// What is asked of strangers costs no memory.
func TestOpeningAllocatesNothing(t *testing.T) {
	b := opening(t, &Notify{NotifyType: NotifyCookie, Data: []byte("shown")})
	if n := testing.AllocsPerRun(100, func() { _, _, _ = Opening(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
