package tunnel

import (
	"errors"
	"net"

	"causeway/tunnel/udp"
)

const (
	// recentPackets is how long ago, in packets, a quoted packet may have been
	// sent. A burst of this many outlasts the round trip of any path.
	recentPackets = 1 << 16

	// Of the ICMP that comes, so much a second is compared with what was sent:
	// routers say it once per path, floods are nobody's news.
	pathErrorsPerSecond = 200
	pathErrorsBurst     = 50
)

// hearPathErrors reads ICMP until the sockets are closed.
func (t *Tunnel) hearPathErrors(r PathErrorReader) error {
	var limit bucket
	for {
		e, err := r.Read()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if now := t.now(); !limit.take(now, pathErrorsPerSecond, pathErrorsBurst) || !t.pathError(&e) {
			t.unattributed.dropIn(DropForgedICMP, 1)
		}
	}
}

// pathError lowers the path MTU that an ICMP message is about, if the message
// can be believed (RFC 4301 §8.2.1, RFC 8201 §4): it quotes a packet that one of
// our SAs sent lately, to where that SA sends, and that was larger than what is
// offered. Who is not on the path knows neither the SPI nor the sequence number.
func (t *Tunnel) pathError(e *udp.PathError) bool {
	sa := t.senderOf(e)
	if sa == nil || !sentLately(sa.out.Packets(), e.Sequence) {
		return false
	}
	// A virtual router quotes the header of a whole train.
	length := min(e.Length, t.cfg.OuterMTU)
	if e.MTU >= length {
		return false
	}
	known := e.MTU
	if known != 0 {
		known = max(known, leastMTU(e.Remote))
	}
	if known < length {
		sa.conn.path.lower(t.now(), length, known)
	}
	return true
}

// senderOf is the SA whose packet an ICMP message quotes, or nil.
func (t *Tunnel) senderOf(e *udp.PathError) *outboundSA {
	for _, c := range t.forwarding.Load().connections {
		for _, sa := range c.outbound.Load().children {
			if sa.out.SPI() == e.SPI && sa.remote == e.Remote {
				return sa
			}
		}
	}
	return nil
}

// sentLately tells whether a packet whose sequence number ends in low is among
// the last of so many sent.
func sentLately(sent uint64, low uint32) bool {
	age := uint32(sent) - low
	return age < recentPackets && uint64(age) < sent
}
