package ikev2

import (
	"bytes"
	"encoding/binary"
	"slices"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Message ID synchronization (RFC 6311): a machine that takes over from another
// one may not know the newest message IDs. It sends IDs with message ID 0, outside of
// the window: that of its next request, which must be beyond all that the peer has
// seen, and what it knows of the peer's. The peer answers with the higher of both
// sides' words, and both go on from there. A request that is not beyond is a repeat, and
// dropped.

const (
	syncNonceLen = 4
	syncLen      = syncNonceLen + 8
	// maxSyncLeap bounds how far a peer can move the IDs: an IKE SA is replaced
	// when half of them are used.
	maxSyncLeap = 1 << 20
)

// synchronizing is our request on its way.
type synchronizing struct {
	nonce  []byte
	window window // its schedule
}

// syncs is what one side knows: the IDs of its next request, and of the next that
// it expects (RFC 6311 §9.2).
type syncs struct{ send, receive uint32 }

func syncNotify(nonce []byte, v syncs) *wire.Notify {
	b := binary.BigEndian.AppendUint32(append([]byte{}, nonce...), v.send)
	return notify(wire.NotifyIKEv2MessageIDSync, binary.BigEndian.AppendUint32(b, v.receive))
}

func readSync(msg *message) (nonce []byte, v syncs, ok bool) {
	n := msg.notify(wire.NotifyIKEv2MessageIDSync)
	if n == nil || len(n.Data) != syncLen {
		return nil, v, false
	}
	b := n.Data[syncNonceLen:]
	return n.Data[:syncNonceLen], syncs{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}, true
}

// syncSupported is the part of IKE_AUTH that says so.
func syncSupported(ids, counters bool) (ps []wire.Payload) {
	if ids {
		ps = append(ps, notify(wire.NotifyIKEv2MessageIDSyncSupported, nil))
	}
	if counters {
		ps = append(ps, notify(wire.NotifyIPsecReplayCounterSyncSupported, nil))
	}
	return ps
}

// agreeSync notes what both ends can: each of the two is of use without the other (RFC
// 6311 §5).
func (s *ikeSA) agreeSync(msg *message) {
	s.synced = s.m.settings.MessageIDSync && msg.notify(wire.NotifyIKEv2MessageIDSyncSupported) != nil
	s.replaySynced = s.m.settings.MessageIDSync && msg.notify(wire.NotifyIPsecReplayCounterSyncSupported) != nil
}

// synchronize takes over at these message IDs and finds out the peer's.
func (m *Machine) synchronize(ev sa.Synchronize) {
	for _, s := range m.sas {
		if s.localSPI() != ev.SPI || !s.synced || s.state < established || s.state >= deleting {
			continue
		}
		// One request may be on its way of which nobody told (§5.1).
		s.window.nextID, s.window.expectID = ev.Send+1, ev.Receive
		s.sync = &synchronizing{nonce: m.random.Bytes(syncNonceLen)}
		h := s.header(wire.ExchangeInformational, false, 0)
		ask := append([]wire.Payload{syncNotify(s.sync.nonce, syncs{s.window.nextID, ev.Receive})}, s.replayBehind(ev.Replay)...)
		datagrams, ps, err := s.sealSync(h, ask...)
		if err != nil {
			s.drop(causeFailed, ending{failure: internal(err)})
			return
		}
		s.sync.window.policy = s.window.policy
		s.sync.window.open(m.now, datagrams, m.random.Fraction())
		s.transmit(h, datagrams, wire.Summary(ps), 0, s.path())
	}
}

// sealSync encrypts a message without the window knowing.
func (s *ikeSA) sealSync(h wire.Header, ps ...wire.Payload) ([][]byte, []wire.Payload, error) {
	d, err := draftOf(h, ps)
	if err != nil {
		return nil, nil, err
	}
	out, err := s.seal(d, s.m.random.Source)
	return out, ps, err
}

// repeatSync sends the request again, or gives the IKE SA up.
func (s *ikeSA) repeatSync() (ended bool) {
	if s.sync == nil {
		return false
	}
	w := &s.sync.window
	again, exhausted := w.repeat(s.m.now, s.longestWait(w), s.m.random.Fraction)
	if exhausted || s.silent(w) {
		s.exhausted()
		return true
	}
	if again != nil {
		s.transmit(s.header(wire.ExchangeInformational, false, 0), again, "N(IKEV2_MESSAGE_ID_SYNC)", w.attempt, s.path())
	}
	return false
}

// receiveSync takes a message that may be about message IDs: those of other
// exchanges, and of a peer that did not agree, are left to the window.
func (s *ikeSA) receiveSync(outer *wire.Message, d sa.Datagram) bool {
	if !s.synced || outer.MessageID != 0 || outer.Exchange != wire.ExchangeInformational || s.state < established || s.state >= deleting {
		return false
	}
	sk, ok := outer.Encrypted()
	if !ok || len(outer.Payloads) > 1 {
		return false
	}
	if outer.Flags.Response() && s.sync == nil {
		return false // the answer to our first request
	}
	if bytes.Equal(d.Raw, s.syncAsked) {
		s.transmit(s.header(outer.Exchange, true, 0), s.syncAnswer, "N(IKEV2_MESSAGE_ID_SYNC)", 1, path{d.Local, d.Remote})
		return true
	}
	// The peer's first request has the same message ID, so a copy is looked at.
	plain, err := s.incoming.Open(slices.Clone(d.Raw), sk.Offset)
	if err != nil {
		return false
	}
	msg := &message{Header: outer.Header, raw: d.Raw, size: len(d.Raw), first: sk.First, plain: plain, local: d.Local, remote: d.Remote}
	if msg.parse() != nil {
		return false
	}
	nonce, theirs, ok := readSync(msg)
	switch {
	case !ok:
		return false
	case outer.Flags.Response():
		s.synchronized(msg, nonce, theirs)
	default:
		s.serveSync(msg, nonce, theirs)
	}
	return true
}

// serveSync answers a peer that took over (RFC 6311 §5.1). Its next ID must be higher
// than all that we have seen of it, those of former synchronizations too. What it does
// not know of ours it hears; what we do not know is taken on, within bounds. A request of
// ours that is on its way is not waited for: it is sent anew under the next ID.
func (s *ikeSA) serveSync(msg *message, nonce []byte, theirs syncs) {
	if s.window.working {
		// The answer that is being made has the ID of its request. The peer asks again.
		s.m.dropped(msg.remote, sa.ReasonInvalidSyntax, "a synchronization of message IDs while a request is being answered")
		return
	}
	ours := syncs{s.window.nextID, s.window.expectID}
	_, probing := s.current.(*probeExchange)
	underWay := probing || s.window.request != nil
	if underWay {
		ours.send++
	}
	switch {
	case theirs.send < ours.receive || s.syncAsked != nil && theirs.send <= s.syncSeen:
		s.m.dropped(msg.remote, sa.ReasonInvalidSyntax, "a synchronization of message IDs that are not beyond those which were used")
		return
	case theirs.receive > ours.send && theirs.receive-ours.send > maxSyncLeap || theirs.send-ours.receive > maxSyncLeap:
		s.m.dropped(msg.remote, sa.ReasonInvalidSyntax, "a synchronization of message IDs that leads too far")
		return
	}
	s.witness(msg)
	s.syncSeen = theirs.send
	now := syncs{max(ours.send, theirs.receive), max(ours.receive, theirs.send)}
	if now.receive > ours.receive {
		s.window.expectID, s.window.answer, s.window.asked = now.receive, nil, nil
	}
	s.skipAhead(msg)
	h := s.header(wire.ExchangeInformational, true, 0)
	datagrams, ps, err := s.sealSync(h, syncNotify(nonce, now))
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.syncAsked, s.syncAnswer = msg.raw, datagrams
	s.transmit(h, datagrams, wire.Summary(ps), 0, path{msg.local, msg.remote})
	if underWay || now.send > ours.send {
		s.reopen(now.send)
	}
}

// synchronized takes the peer's answer.
func (s *ikeSA) synchronized(msg *message, nonce []byte, theirs syncs) {
	if s.sync == nil || !bytes.Equal(nonce, s.sync.nonce) {
		return
	}
	s.witness(msg)
	s.sync = nil
	s.window.expectID = max(s.window.expectID, theirs.send)
	s.window.nextID = max(s.window.nextID, theirs.receive)
}

// reopen goes on with a higher ID for our requests; one that is on its way is
// sealed anew.
func (s *ikeSA) reopen(id uint32) {
	s.window.nextID = id
	if x, ok := s.current.(*probeExchange); ok {
		x.renumber(s)
		return
	}
	if s.window.request == nil || s.asking.plain == nil {
		return
	}
	again := s.asking
	again.header.MessageID = id
	datagrams, err := s.seal(again, s.m.random.Source)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.asking = again
	s.window.open(s.m.now, datagrams, s.m.random.Fraction())
	s.transmit(again.header, datagrams, s.requestSummary, 0, s.path())
}
