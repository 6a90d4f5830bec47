package ikev2_test

import (
	"encoding/binary"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// Who only responds says in IKE_AUTH, in seconds, when the peer is to authenticate anew, and
// nobody else does; a peer that does not do it loses the IKE SA (RFC 4478 §3).
func TestAuthLifetimeIsSaid(t *testing.T) {
	for _, c := range []struct{ respondOnly, heeded bool }{{true, true}, {true, false}, {false, true}} {
		a, b := transcript.Pair()
		b.Reauthentication, b.RespondOnly = 10*time.Minute, c.respondOnly
		w := transcript.New(a, b, nil)
		var said []uint32
		w.B.Faulty = onlyIn(wire.ExchangeIKEAuth, true, func(ps []wire.Payload) []wire.Payload {
			n := wire.FindNotify(ps, wire.NotifyAuthLifetime)
			if n == nil {
				return ps
			}
			if len(n.Data) == 4 {
				said = append(said, binary.BigEndian.Uint32(n.Data))
			}
			if !c.heeded {
				return omitting(ps, wire.NotifyAuthLifetime)
			}
			return ps
		})
		w.Stand()
		if (len(said) == 1 && said[0] == 600) != c.respondOnly {
			t.Errorf("%+v: b says %d", c, said)
		}
		w.Advance(11*time.Minute+30*time.Second, true)
		stands := len(w.B.Snapshot().IKE) == 1
		if stands != c.heeded {
			t.Errorf("%+v: the IKE SA stands %v", c, stands)
		}
	}
}

// The initiator heeds it where it is shorter than its own limit, and authenticates anew
// before that is over (RFC 4478 §3).
func TestAuthLifetimeIsHeeded(t *testing.T) {
	for name, c := range map[string]struct {
		own, theirs, by time.Duration
	}{
		"no own limit":    {0, 10 * time.Minute, 10 * time.Minute},
		"theirs is lower": {20 * time.Minute, 10 * time.Minute, 10 * time.Minute},
		"ours is lower":   {5 * time.Minute, 20 * time.Minute, 5 * time.Minute},
	} {
		a, b := transcript.Pair()
		a.Reauthentication = c.own
		b.Reauthentication, b.RespondOnly = c.theirs, true
		w := transcript.New(a, b, nil)
		w.Stand()
		count := func() (n int) {
			for _, r := range w.A.Reports {
				if e, ok := r.(sa.IKEEstablished); ok && e.Rekeys == 0 {
					n++
				}
			}
			return n
		}
		w.Advance(c.by*8/10, true)
		if n := count(); n != 1 {
			t.Errorf("%s: a has authenticated %d times after %v", name, n, w.Now.Sub(transcript.Epoch))
		}
		w.Advance(c.by*2/10, true)
		if n := count(); n != 2 {
			t.Errorf("%s: a has authenticated %d times after %v", name, n, w.Now.Sub(transcript.Epoch))
		}
	}
}
