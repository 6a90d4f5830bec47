package ikev2_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/ikev2"
	"causeway/ike/sa"
	"causeway/test/transcript"
)

// BenchmarkChallenge is what a request from an address that nobody has costs before
// it leaves, without the network.
func BenchmarkChallenge(b *testing.B) {
	gate, err := cookie.New(cookie.Config{Random: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	a := ikev2.NewAcceptor(ikev2.AcceptorConfig{Gate: gate, Random: rand.Reader, Traced: func() bool { return false },
		Candidates: func(netip.Addr, netip.Addr) []*sa.Settings { return nil }})
	request := transcript.InitRequest(99)
	local := netip.MustParseAddrPort("198.51.100.2:500")
	now := time.Unix(1_700_000_000, 0)
	var actions []sa.Action
	b.ReportAllocs()
	for n := uint64(1); b.Loop(); n++ {
		raw := bytes.Clone(request)
		binary.BigEndian.PutUint64(raw, n)
		remote := netip.AddrFrom4([4]byte{100, 64 + byte(n>>16&0x3f), byte(n >> 8), byte(n)})
		actions = a.Step(actions[:0], now, sa.Datagram{Raw: raw, Local: local, Remote: netip.AddrPortFrom(remote, 500)})
		now = now.Add(10 * time.Microsecond)
	}
}
