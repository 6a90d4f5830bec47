package ikev2_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// A repeated IKE_SA_INIT is known by the whole message: it is answered again, bit by bit
// the same, and another one under its SPI is not (RFC 7296 §2.1).
func TestAnotherRequestUnderOneSPI(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	send := func(raw []byte) {
		w.B.Receive(sa.Datagram{Raw: bytes.Clone(raw), Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: netip.MustParseAddrPort("192.0.2.1:500")})
	}
	first := initRequest(t, func(*wire.Message) {})
	send(first)
	send(first)
	if len(w.Network) != 2 || !bytes.Equal(w.Network[0].Bytes, w.Network[1].Bytes) {
		t.Fatalf("b sends %d answers to a request and its copy, or others", len(w.Network))
	}
	send(initRequest(t, func(m *wire.Message) { m.Payloads[2] = &wire.Nonce{Data: bytes.Repeat([]byte{7}, 32)} }))
	if len(w.Network) != 2 {
		t.Error("b answers another request under the same SPI")
	}
}

// The hashes of NAT detection are those of the SPIs, address and port at each end; to
// claim a NAT that of the source has every bit turned (RFC 7296 §2.23).
func TestHashesOfNATDetection(t *testing.T) {
	hash := func(h wire.Header, at string) []byte {
		b := binary.BigEndian.AppendUint64(nil, h.InitiatorSPI)
		b = binary.BigEndian.AppendUint64(b, h.ResponderSPI)
		addr := netip.MustParseAddrPort(at)
		b = binary.BigEndian.AppendUint16(append(b, addr.Addr().AsSlice()...), addr.Port())
		sum := sha1.Sum(b)
		return sum[:]
	}
	for _, claim := range []bool{false, true} {
		a, b := transcript.Pair()
		a.ForceEncapsulation, b.ForceEncapsulation = claim, claim
		w := transcript.New(a, b, nil)
		w.A.Up()
		for _, ends := range [][2]string{{"192.0.2.1:500", "192.0.2.2:500"}, {"192.0.2.2:500", "192.0.2.1:500"}} {
			m, err := wire.ParseMessage(w.Network[0].Bytes)
			if err != nil {
				t.Fatal(err)
			}
			source, destination := hash(m.Header, ends[0]), hash(m.Header, ends[1])
			if claim {
				for i := range source {
					source[i] ^= 0xff
				}
			}
			s, d := wire.FindNotify(m.Payloads, wire.NotifyNATDetectionSourceIP), wire.FindNotify(m.Payloads, wire.NotifyNATDetectionDestinationIP)
			if s == nil || d == nil || !bytes.Equal(s.Data, source) || !bytes.Equal(d.Data, destination) {
				t.Errorf("claimed %v: the hashes from %s to %s are %v and %v", claim, ends[0], ends[1], s, d)
			}
			w.Deliver(0)
		}
	}
}

// Several hashes of sources are those of a peer with several addresses: one that fits is
// enough, whichever it is (RFC 7296 §2.23).
func TestSeveralSources(t *testing.T) {
	for _, last := range []bool{false, true} {
		a, b := transcript.Pair()
		w := transcript.New(a, b, nil)
		w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			if h.Exchange != wire.ExchangeIKESAInit {
				return ps
			}
			other := &wire.Notify{NotifyType: wire.NotifyNATDetectionSourceIP, Data: make([]byte, sha1.Size)}
			at := 0
			if last {
				at = len(ps)
			}
			return slices.Insert(slices.Clone(ps), at, wire.Payload(other))
		}
		w.A.Up()
		w.DeliverAll()
		if i := w.B.Machine.Snapshot().IKE; len(i) != 1 || i[0].NAT != "none" {
			t.Errorf("the other source comes last %v: b has %+v", last, i)
		}
	}
}
