package ikev2

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"causeway/ike/keymat"
	"causeway/ike/wire"
)

// AUTH covers the messages of IKE_INTERMEDIATE (RFC 9242 §3.3): both ends see the
// same, however they were cut and encrypted, and any change of payloads, message
// ID, sender or order gives something else.
func TestAuthCoversIntermediate(t *testing.T) {
	from, to := pipe(t, "aes256-sha256-x25519")
	lay := func(id uint32, n int) draft {
		m, err := draftOf(from.header(wire.ExchangeIKEIntermediate, false, id), []wire.Payload{&wire.KeyExchange{Group: 36, Data: make([]byte, n)}})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	messages := []draft{lay(1, 1184), lay(2, 32)}
	for _, m := range messages {
		raws, err := from.seal(m, rand.NewChaCha8([32]byte{3}))
		if err != nil {
			t.Fatal(err)
		}
		from.chain(m, true)
		for _, raw := range raws {
			if msg, _, err := give(t, to, raw, time.Time{}); err == nil {
				to.chain(msg.draft(), true)
			}
		}
	}
	octets := []byte("octets")
	want := from.withIntermediates(bytes.Clone(octets))
	if got := to.withIntermediates(bytes.Clone(octets)); !bytes.Equal(got, want) || len(got) != len(octets)+32+4 || got[len(got)-1] != 3 {
		t.Fatalf("the ends see\n%x and\n%x", got, want)
	}
	for name, other := range map[string][]draft{
		"none": nil, "one less": messages[:1], "another order": {messages[1], messages[0]},
		"another message ID": {messages[0], lay(3, 32)}, "other payloads": {messages[0], lay(2, 33)},
	} {
		from, _ := pipe(t, "aes256-sha256-x25519")
		for _, m := range other {
			from.chain(m, true)
		}
		if bytes.Equal(from.withIntermediates(bytes.Clone(octets)), want) {
			t.Errorf("%s: AUTH covers the same", name)
		}
	}
}

// What is reserved in the header of the peer's Encrypted payload counts for AUTH as it
// came; of a message that was cut, with the first fragment (RFC 9242 §3.3.2).
func TestAuthCoversReservedBits(t *testing.T) {
	const reserved = 0x2a
	random := rand.NewChaCha8([32]byte{3})
	for _, total := range []uint16{1, 2} {
		from, to := pipe(t, "aes256gcm16-prfsha256-x25519")
		m, err := draftOf(from.header(wire.ExchangeIKEIntermediate, false, 1), []wire.Payload{&wire.KeyExchange{Group: 36, Data: make([]byte, 100)}})
		if err != nil {
			t.Fatal(err)
		}
		var raws [][]byte
		for number := uint16(1); number <= total; number++ {
			plain := m.plain[50*(number-1):]
			if number < total {
				plain = plain[:50]
			}
			sealed := len(plain) + from.outgoing.Overhead(len(plain))
			prefix, err := wire.AppendEncryptedFragment(nil, m.header, m.first, number, total, sealed)
			if total == 1 {
				prefix, err = wire.AppendEncrypted(nil, m.header, m.first, sealed)
			}
			if err != nil {
				t.Fatal(err)
			}
			prefix[wire.HeaderLen+1] = reserved >> (number - 1)
			raw, err := from.outgoing.Seal(prefix, prefix, plain, random)
			if err != nil {
				t.Fatal(err)
			}
			raws = append([][]byte{raw}, raws...) // the first comes last
		}
		for i, raw := range raws {
			msg, _, err := give(t, to, raw, time.Time{})
			if (err == nil) != (i == len(raws)-1) {
				t.Fatal(err)
			}
			if err == nil {
				to.chain(msg.draft(), true)
			}
		}
		header, err := wire.AppendEncrypted(nil, m.header, m.first, len(m.plain))
		if err != nil {
			t.Fatal(err)
		}
		header[wire.HeaderLen+1] = reserved
		if want := keymat.Intermediate(from.prf, from.keys.PI, nil, header, m.plain); !bytes.Equal(to.chainI, want) {
			t.Errorf("in %d datagrams: AUTH covers another header", total)
		}
	}
}
