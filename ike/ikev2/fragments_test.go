package ikev2

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// pipe is two ends of an IKE SA that can cut messages.
func pipe(tb testing.TB, keywords string) (from, to *association) {
	tb.Helper()
	p, err := transform.ParseProposal(transform.IKE, keywords)
	if err != nil {
		tb.Fatal(err)
	}
	suite, _, err := transform.Match(transform.IKE, []transform.Proposal{p}, []transform.Proposal{p})
	if err != nil {
		tb.Fatal(err)
	}
	make1 := func(initiator bool) *association {
		a := &association{initiator: initiator, spiI: 1, spiR: 2, nonceI: make([]byte, 32), nonceR: make([]byte, 32),
			local: netip.MustParseAddrPort("192.0.2.1:4500"), remote: netip.MustParseAddrPort("192.0.2.2:4500"), fragmentSize: minFragmentSize4}
		if err := a.choose(suite); err != nil {
			tb.Fatal(err)
		}
		if err := a.deriveKeys(make([]byte, 32)); err != nil {
			tb.Fatal(err)
		}
		return a
	}
	return make1(true), make1(false)
}

// big is a message of about n octets.
func big(tb testing.TB, a *association, id uint32, n int) draft {
	tb.Helper()
	h := a.header(wire.ExchangeInformational, false, id)
	m, err := draftOf(h, []wire.Payload{&wire.VendorID{Data: bytes.Repeat([]byte{byte(n)}, n)}, &wire.Nonce{Data: make([]byte, 32)}})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// give lets an end open one datagram.
func give(tb testing.TB, to *association, raw []byte, now time.Time) (*message, bool, error) {
	tb.Helper()
	outer, err := wire.ParseMessage(raw)
	if err != nil {
		return nil, false, err
	}
	return to.open(outer, sa.Datagram{Raw: raw}, now)
}

// Every datagram of a message that is cut fits, and no piece is smaller than it
// must be.
func TestFragmentsFillThePath(t *testing.T) {
	for _, keywords := range []string{"aes256gcm16-prfsha256-x25519", "aes256-sha256-x25519", "chacha20poly1305-prfsha256-x25519"} {
		from, to := pipe(t, keywords)
		for _, remote := range []string{"192.0.2.2:4500", "[2001:db8::2]:4500"} {
			from.remote = netip.MustParseAddrPort(remote)
			from.fragmentSize = DefaultFragmentSize
			limit := room(DefaultFragmentSize, from.remote.Addr())
			for _, n := range []int{1, 1000, 1100, 1190, 1200, 1300, 5000, 60000} {
				raws, err := from.seal(big(t, from, 1, n), rand.NewChaCha8([32]byte{}))
				if err != nil {
					t.Fatal(err)
				}
				to.requests.clear()
				for i, raw := range raws {
					if len(raw) > limit || len(raws) > 1 && i < len(raws)-1 && len(raw) < limit-15 {
						t.Errorf("%s, %d octets to %s: fragment %d of %d has %d octets, %d fit", keywords, n, remote, i+1, len(raws), len(raw), limit)
					}
					msg, authentic, err := give(t, to, raw, time.Time{})
					if !authentic || (err == nil) != (i == len(raws)-1) || err == nil && len(msg.Payloads) != 2 {
						t.Fatalf("%d octets, fragment %d of %d: %v", n, i+1, len(raws), err)
					}
				}
			}
		}
	}
}

// A message that is cut anew goes in more pieces than before, also where the new size
// alone would not make it so: the peer keeps the pieces of both cuts apart by their
// number (RFC 7383 §2.5.2).
func TestCutAnewIntoMore(t *testing.T) {
	from, to := pipe(t, "aes256gcm16-prfsha256-x25519")
	random := rand.NewChaCha8([32]byte{})
	for _, n := range []int{700, 900, 1000, 3000, 60000} {
		m := big(t, from, 1, n)
		from.fragmentSize = 600
		first, err := from.seal(m, random)
		if err != nil {
			t.Fatal(err)
		}
		from.fragmentSize = minFragmentSize4
		again, err := from.sealAgain(m, len(first), random)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) <= len(first) {
			t.Errorf("%d octets in %d pieces, and cut anew in %d", n, len(first), len(again))
		}
		to.requests.clear()
		for i, raw := range append(first[:1:1], again...) {
			if len(raw) > room(minFragmentSize4, from.remote.Addr()) && i > 0 {
				t.Errorf("a piece of %d octets", len(raw))
			}
			if msg, _, err := give(t, to, raw, time.Time{}); i == len(again) && (err != nil || !bytes.Equal(msg.plain, m.plain)) {
				t.Errorf("%d octets: %v", n, err)
			}
		}
	}
}

// FuzzAssembly gives the fragments of two cuts of one message in any order, with
// copies, losses and damage: either the whole message comes out as it went in,
// or nothing does.
func FuzzAssembly(f *testing.F) {
	f.Add(uint16(3000), []byte{0, 1, 2, 3, 4, 5, 6, 7})
	f.Add(uint16(700), []byte{1, 1, 0})
	f.Add(uint16(9000), []byte{0x80, 0x81, 0x40, 3, 2, 1, 0})
	f.Fuzz(func(t *testing.T, n uint16, plan []byte) {
		from, to := pipe(t, "aes128gcm16-prfsha256-x25519")
		random := rand.NewChaCha8([32]byte{1})
		m := big(t, from, 5, int(n))
		var all [][]byte
		for _, size := range []int{DefaultFragmentSize, minFragmentSize4} {
			from.fragmentSize = size
			raws, err := from.seal(m, random)
			if err != nil {
				return // too long for any number of fragments
			}
			all = append(all, raws...)
		}
		for i, step := range plan {
			raw := bytes.Clone(all[int(step&0x3f)%len(all)])
			if step&0x80 != 0 {
				raw[i*7%len(raw)] ^= 1 + step&0x40
			}
			msg, _, err := give(t, to, raw, time.Time{})
			if err == nil && !bytes.Equal(msg.plain, m.plain) {
				t.Fatalf("%d octets went in, %d others came out", len(m.plain), len(msg.plain))
			}
			if len(to.requests.parts) > maxFragments || to.requests.held > maxAssembled {
				t.Fatalf("it holds %d fragments of %d octets", len(to.requests.parts), to.requests.held)
			}
		}
	})
}

// Only what is authentic is kept, and no more of it than one message can have.
func TestFragmentsOfStrangersAreNotKept(t *testing.T) {
	from, to := pipe(t, "aes256gcm16-prfsha256-x25519")
	raws, err := from.seal(big(t, from, 1, 3000), rand.NewChaCha8([32]byte{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range raws {
		raw = bytes.Clone(raw)
		raw[len(raw)-1] ^= 1
		if _, authentic, err := give(t, to, raw, time.Time{}); authentic || err == nil || to.requests.parts != nil {
			t.Fatalf("authentic %v, %v, holds %d fragments", authentic, err, len(to.requests.parts))
		}
	}
	// A total that only a huge message has is refused before memory is taken for it.
	prefix, err := wire.AppendEncryptedFragment(nil, from.header(wire.ExchangeInformational, false, 1), wire.PayloadNonce, 1, 65535, from.outgoing.Overhead(0))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := from.outgoing.Seal(prefix, prefix, nil, rand.NewChaCha8([32]byte{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, authentic, err := give(t, to, raw, time.Time{}); authentic || err == nil || to.requests.parts != nil {
		t.Errorf("65535 fragments: authentic %v, %v", authentic, err)
	}
}

// A fragment that is cut anew into fewer pieces than those that are there is a
// late one (RFC 7383 §2.6); more pieces begin the message anew.
func TestFragmentsCutAnew(t *testing.T) {
	from, to := pipe(t, "aes256gcm16-prfsha256-x25519")
	random := rand.NewChaCha8([32]byte{})
	m := big(t, from, 1, 3000)
	small, _ := from.seal(m, random)
	from.fragmentSize = DefaultFragmentSize
	large, _ := from.seal(m, random)
	feed := func(raw []byte) error {
		_, _, err := give(t, to, raw, time.Time{})
		return err
	}
	_ = feed(large[0])
	_ = feed(large[1])
	for _, raw := range small[:len(small)-1] {
		if err := feed(raw); err != errPartial {
			t.Fatal(err)
		}
	}
	if err := feed(large[2]); err != errPartial || len(to.requests.parts) != len(small) {
		t.Errorf("a late fragment of the larger cut: %v, %d parts", err, len(to.requests.parts))
	}
	if err := feed(small[len(small)-1]); err != nil {
		t.Error(err)
	}
}

// The fragments of a request and those of an answer come mixed, with one message ID or
// two: neither destroys what is there of the other (RFC 7383 §2.6).
func TestFragmentsOfBothKinds(t *testing.T) {
	for _, ids := range [][2]uint32{{1, 1}, {1, 2}} {
		from, to := pipe(t, "aes256gcm16-prfsha256-x25519")
		random := rand.NewChaCha8([32]byte{})
		request, answer := big(t, from, ids[0], 3000), big(t, from, ids[1], 3000)
		answer.header.Flags |= wire.FlagResponse
		asked, err := from.seal(request, random)
		if err != nil {
			t.Fatal(err)
		}
		answered, err := from.seal(answer, random)
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for i := range asked {
			for _, raw := range [][]byte{asked[i], answered[i]} {
				switch msg, _, err := give(t, to, raw, time.Time{}); {
				case err == nil && bytes.Equal(msg.plain, request.plain):
					whole++
				case err != errPartial:
					t.Errorf("IDs %v, fragment %d: %v", ids, i+1, err)
				}
			}
		}
		if whole != 2 {
			t.Errorf("IDs %v: %d messages came out, 2 went in", ids, whole)
		}
	}
}

// A synchronization of message IDs, which must not be cut, fits into whatever a path
// carries (RFC 7383 §3).
func TestSynchronizationFits(t *testing.T) {
	from, _ := pipe(t, "aes256-sha512-x25519")
	m, err := draftOf(from.header(wire.ExchangeInformational, false, 0), []wire.Payload{
		syncNotify(make([]byte, syncNonceLen), syncs{1, 2}), notify(wire.NotifyIPsecReplayCounterSync, make([]byte, 8)),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, remote := range []string{"192.0.2.2:4500", "[2001:db8::2]:4500"} {
		from.remote = netip.MustParseAddrPort(remote)
		from.fragmentSize = smallest(from.remote.Addr())
		if raws, err := from.seal(m, rand.NewChaCha8([32]byte{})); err != nil || len(raws) != 1 {
			t.Errorf("%s: %d datagrams: %v", remote, len(raws), err)
		}
	}
}
