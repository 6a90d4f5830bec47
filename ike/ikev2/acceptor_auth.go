package ikev2

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// The first IKE_AUTH of a peer, and what is before it: what it takes to know
// whose it is.

// protectedRequest makes the shared secret with the first encrypted request that
// arrives, and judges the message then. Until now the half-open IKE SA cost one
// key share.
func (a *Acceptor) protectedRequest(h *half, outer *wire.Message, d sa.Datagram) {
	if total(h.waiting)+len(d.Raw) > maxAuthLen || len(h.waiting) >= maxFragments {
		a.dropped(d, sa.ReasonInvalidSyntax, fmt.Sprintf("an %v request of %d octets, at most %d are taken", outer.Exchange, total(h.waiting)+len(d.Raw), maxAuthLen))
		return
	}
	if arrival, answer := h.window.judge(outer.MessageID, d.Raw); arrival == arrivalRepeat && h.stage != stageOver {
		a.send(answer, path{d.Local, d.Remote})
		return
	}
	switch h.stage {
	case stageAgreeing:
		// The other fragments come while the first waits. What is a stranger's
		// does not decrypt later.
		h.waiting = append(h.waiting, d)
	case stageAnswered:
		if !encrypted(outer) {
			a.dropped(d, sa.ReasonInvalidSyntax, errNotEncrypted.Error())
			return
		}
		h.stage, h.waiting = stageAgreeing, []sa.Datagram{d}
		job := &sansio.KeyExchange{Group: h.suite.Group.ID, Private: h.private, Peer: h.peerKE}
		a.do(a.desk.Start(h, job, func(r any) { a.agreed(h, sansio.Exchanged(r)) }))
	case stageKeyed:
		a.judge(h, outer, d)
	case stageOver:
		if h.refused != nil && h.asked == sha256.Sum256(d.Raw) {
			a.send(h.refused, path{d.Local, d.Remote})
		}
	}
}

// encrypted reports whether a message is protected, or looks so.
func encrypted(m *wire.Message) bool {
	_, whole := m.Encrypted()
	_, part := m.EncryptedFragment()
	return whole || part
}

func total(ds []sa.Datagram) (n int) {
	for _, d := range ds {
		n += len(d.Raw)
	}
	return n
}

func size(datagrams [][]byte) (n int) {
	for _, raw := range datagrams {
		n += len(raw)
	}
	return n
}

// send transmits the datagrams of one message.
func (a *Acceptor) send(datagrams [][]byte, by path) {
	for _, raw := range datagrams {
		a.do(sa.Send{Local: by.local, Remote: by.remote, Bytes: raw})
	}
}

// judge decrypts the next request: an additional key exchange while one is left,
// then IKE_AUTH. A message that does not decrypt changes nothing: the true one
// may still come.
func (a *Acceptor) judge(h *half, outer *wire.Message, d sa.Datagram) {
	want := wire.ExchangeIKEAuth
	if len(h.left) > 0 {
		want = wire.ExchangeIKEIntermediate
	}
	if arrival, _ := h.window.judge(outer.MessageID, d.Raw); arrival != arrivalNew || outer.Exchange != want {
		return
	}
	msg, authentic, err := h.open(outer, d, a.now)
	switch {
	case err == errPartial:
		if h.requests.held > maxAuthLen {
			h.requests.clear()
			a.dropped(d, sa.ReasonInvalidSyntax, fmt.Sprintf("an %v request of more than %d octets in fragments", outer.Exchange, maxAuthLen))
		}
		return
	case !authentic:
		a.dropped(d, sa.ReasonInvalidSyntax, err.Error())
		return
	}
	if err == nil {
		err = checkPayloads(msg)
	}
	if err == nil && want == wire.ExchangeIKEAuth {
		err = checkChild(msg, h.childless)
	}
	if err != nil {
		a.refuse(h, msg, err)
		return
	}
	if want == wire.ExchangeIKEIntermediate {
		h.shrink(len(msg.raw), msg.fragments, d.Remote.Addr())
		a.intermediateRequest(h, msg)
		return
	}
	a.examine(h, msg, d)
}

// refuse answers a request with an error and keeps the answer for repeats.
func (a *Acceptor) refuse(h *half, msg *message, err error) {
	disposed := dispose(err, true, false)
	a.answerOver(h, msg, "", disposed.reply)
	if disposed.failure != nil {
		a.failed(sa.Datagram{Local: msg.local, Remote: msg.remote}, disposed.failure)
	}
}

// answerOver ends a half-open IKE SA with an error, and keeps the answer for repeats.
func (a *Acceptor) answerOver(h *half, msg *message, connection string, n *wire.Notify) {
	header := h.header(msg.Exchange, true, msg.MessageID)
	ps := []wire.Payload{n}
	draft, err := draftOf(header, ps)
	if err == nil {
		h.refused, err = h.seal(draft, a.random.Source)
	}
	a.over(h)
	if err != nil {
		h.refused = nil
		a.do(sa.ReleaseSPI{SPI: h.spiR})
		return
	}
	h.asked = sha256.Sum256(msg.raw)
	a.send(h.refused, path{msg.local, msg.remote})
	a.emit(trace(connection, true, header, wire.Summary(ps), len(h.refused[0]), msg.local, msg.remote, 0))
}

// choose finds the connection by addresses and then identities, among all that have the
// suite. With a single candidate it is left to that to say what is wrong, in the
// connection's name. A peer that no connection is for comes with the reason, and with the
// first one, in whose place it is refused.
func (a *Acceptor) choose(h *half, shown auth.Identity, msg *message, d sa.Datagram) (chosen *sa.Settings, able []*sa.Settings, nobody verdict) {
	for _, c := range a.candidates(d) {
		if _, _, err := transform.Match(transform.IKE, []transform.Proposal{h.suite.Proposal()}, c.IKEProposals); err == nil {
			able = append(able, c)
		}
	}
	if len(able) == 1 {
		return able[0], able, nil
	}
	wanted := wantedBy(msg, d)
	for _, c := range able {
		want := c.ExpectedID(d.Remote.Addr(), false)
		asked := wanted(c) // of each: looking takes time
		if !want.Matches(shown) || !asked {
			continue
		}
		if chosen == nil || chosen.ExpectedID(d.Remote.Addr(), false).IsZero() && !want.IsZero() {
			chosen = c
		}
	}
	if chosen != nil {
		return chosen, able, nil
	}
	if len(able) > 0 {
		chosen = able[0]
	}
	return chosen, able, func() *sa.Failure { return unknownPeer(able, shown, d.Remote.Addr()) }
}

// unknownPeer explains that no connection is for a peer.
func unknownPeer(able []*sa.Settings, shown auth.Identity, from netip.Addr) *sa.Failure {
	var expected []string
	for _, c := range able[:min(len(able), maxExpected)] {
		expected = append(expected, c.Name+" expects "+c.ExpectedID(from, false).String())
	}
	return &sa.Failure{
		Reason:  sa.ReasonUnknownPeer,
		Message: fmt.Sprintf("no connection for a peer that shows identity %s from %s", shown, from),
		Local:   strings.Join(expected, "\n"),
		Remote:  fmt.Sprintf("%s (%v)", shown, shown.Type),
		Hint:    "set the remote identity of one connection to " + shown.String() + ", or correct the identity at the peer",
	}
}

// maxExpected bounds the connections that a failure shows.
const maxExpected = 32

// wantedBy tells whether the peer's IDr, if it sent one, is the identity that a
// connection shows. It is looked at once for each such identity.
func wantedBy(msg *message, d sa.Datagram) func(*sa.Settings) bool {
	asked := msg.identity(false)
	if asked == nil {
		return func(*sa.Settings) bool { return true }
	}
	id, err := auth.FromPayload(asked)
	seen := map[auth.Identity]bool{}
	return func(c *sa.Settings) bool {
		mine := c.LocalID(d.Local.Addr())
		wanted, looked := seen[mine]
		if !looked {
			wanted = err == nil && mine.Matches(id)
			seen[mine] = wanted
		}
		return wanted
	}
}
