package ikev2

import (
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// A peer that lost an IKE SA, and cannot prove it (crash.go), says INVALID_IKE_SPI to
// what it is asked on it, without protection (RFC 7296 §1.5, §2.21.4). Anybody can say
// so, and it ends nothing: an IKE SA ends when a request that was sent several times
// was not answered for a while (§2.4), and any authentic message in that time keeps it.
// All that a denial tells is that somebody is at the peer's address, so that the answer
// would be here by now. So where each of the first sends, but for one, was denied, we wait
// for deniedWait instead of repeating for the whole schedule. Who can forge that sees
// our requests; to end the IKE SA he would have to keep the answers away, too.

const (
	// deniedSends is how many sends of a request the peer has to deny.
	deniedSends = 3
	// deniedWait is how long the answer to the last of them may take.
	deniedWait = 2 * time.Second
)

// deny notes that the last send of the request on its way was denied. Two denials
// of one send are one.
func (w *window) deny() {
	sends := w.attempt + 1
	if w.denied == sends {
		return
	}
	w.denied = sends
	if w.denials++; w.lost() && w.denials >= sends-1 {
		w.tries = sends
		if at := w.sentAt.Add(deniedWait); at.Before(w.dueAt) {
			w.dueAt = at
		}
	}
}

// lost reports whether the peer denied the request on its way often enough.
func (w *window) lost() bool { return w.denials >= deniedSends }

// denies reports whether a message says that the IKE SA is not known, and anybody may
// have sent it.
func (s *ikeSA) denies(outer *wire.Message) bool {
	return outer.Flags.Response() && !encrypted(outer) && s.state >= established && s.state <= deleting &&
		wire.FindNotify(outer.Payloads, wire.NotifyInvalidIKESPI) != nil
}

// deniedBy takes such a message. Where it answers what we asked it counts, unless the
// peer may not have the answer that made the IKE SA: then it knows only its own SPI, but
// for an IKE SA that IKE_AUTH made. Where it answers nothing the peer is asked.
func (s *ikeSA) deniedBy(outer *wire.Message, d sa.Datagram) {
	s.hint(outer, d, errNotEncrypted)
	switch {
	case d.Remote != s.remote:
	case s.window.expects(outer.MessageID) && s.current != nil && s.current.kind() == outer.Exchange:
		if s.unheard == nil || s.granted == s {
			s.window.deny()
		}
	case s.window.request == nil:
		s.doubt()
	}
}

// doubt has the peer asked whether it lives, since somebody says that it does not; not
// often, since that may be anybody.
func (s *ikeSA) doubt() {
	if s.m.now.Sub(s.doubtedAt) >= doubtWait {
		s.doubtedAt, s.wantCheck = s.m.now, true
	}
}
