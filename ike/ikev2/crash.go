package ikev2

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"slices"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Quick crash detection (RFC 6290). Each end gives the other a token for their
// IKE SA, over that IKE SA. An end that lost its state makes the token again, from
// a secret that outlived the crash and from the SPIs of the message that it cannot
// read, and shows it: that nobody else can, so the other end believes it, drops
// the IKE SA at once and begins anew.
//
// A token that a stranger got to know would let him end a living IKE SA. So none
// is made for SPIs of which we have one, in whichever role the message claims to
// be sent, and the role of the maker is part of the token.

const (
	// minCrashToken and maxCrashToken bound a peer's token (RFC 6290 §4.1).
	minCrashToken, maxCrashToken = 16, 128
	// doubtWait is how often a stranger's word makes us ask whether the peer lives.
	doubtWait = 2 * time.Second
)

// crashToken is the token of one end of an IKE SA (RFC 6290 §5.1).
func crashToken(secret []byte, makerInitiated bool, spiI, spiR uint64) []byte {
	h := hmac.New(sha256.New, secret)
	b := binary.BigEndian.AppendUint64([]byte("QCD token\x00"), spiI)
	b = binary.BigEndian.AppendUint64(b, spiR)
	if makerInitiated {
		b = append(b, 1)
	}
	h.Write(b)
	return h.Sum(nil)
}

func crashNotify(token []byte) *wire.Notify {
	return &wire.Notify{Protocol: wire.ProtocolIKE, NotifyType: wire.NotifyQuickCrashDetection, Data: token}
}

// crashTokenFor is the part of a message that gives the peer our token, or nil
// where the connection has none.
func (m *Machine) crashTokenFor(a *association) []wire.Payload {
	if m.cfg.CrashSecret == nil || !m.settings.CrashDetection {
		return nil
	}
	return []wire.Payload{crashNotify(crashToken(m.cfg.CrashSecret, a.initiator, a.spiI, a.spiR))}
}

// takeCrashToken keeps the peer's token, if the message has one. A later one
// replaces it (RFC 6290 §4.4).
func (s *ikeSA) takeCrashToken(msg *message) {
	n := msg.notify(wire.NotifyQuickCrashDetection)
	if n != nil && s.m.settings.CrashDetection && len(n.Data) >= minCrashToken && len(n.Data) <= maxCrashToken {
		s.peerToken = slices.Clone(n.Data)
	}
}

// giveCrashToken plans to tell the peer the token of an IKE SA that we made by a
// rekey, when its SPIs were not known in time (RFC 6290 §4.3).
func (s *ikeSA) giveCrashToken(old *ikeSA) {
	if old.peerToken != nil && s.m.crashTokenFor(&s.association) != nil {
		s.wantToken, s.wantCheck = true, true
	}
}

// crashed reports whether a message without protection proves that the peer lost
// the IKE SA. One that tries to, and does not, is told of.
func (s *ikeSA) crashed(outer *wire.Message, d sa.Datagram) bool {
	if s.peerToken == nil || !outer.Flags.Response() || encrypted(outer) || s.state < established || s.state > deleting ||
		wire.FindNotify(outer.Payloads, wire.NotifyInvalidIKESPI) == nil {
		return false
	}
	for i, p := range outer.Payloads {
		n, ok := p.(*wire.Notify)
		if ok && i < maxNotifies && n.NotifyType == wire.NotifyQuickCrashDetection && subtle.ConstantTimeCompare(n.Data, s.peerToken) == 1 {
			return true
		}
	}
	if wire.FindNotify(outer.Payloads, wire.NotifyQuickCrashDetection) != nil {
		s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, "a token of crash detection that is not the peer's")
	}
	return false
}

// bury ends an IKE SA that the peer has no more: without a DELETE, which nobody
// could read.
func (s *ikeSA) bury() {
	if s.state == deleting {
		s.drop(causeFinished, ending{replaced: s.replaced})
		return
	}
	s.m.forgetTicket() // and the key of its tickets
	s.drop(causeFailed, ending{remote: true, failure: &sa.Failure{
		Reason:  sa.ReasonPeerRestarted,
		Message: "the peer at " + s.remote.String() + " lost its state, and proves it",
		Local:   "IKE SA since " + s.establishedAt.UTC().Format(time.RFC3339), Remote: "its token (RFC 6290)",
		Hint: "it was restarted without taking its SAs down, or crashed; the connection comes back by itself",
	}})
}

// deny answers a protected request for an IKE SA that is not here (RFC 7296 §1.5),
// with the token that its other end may have (RFC 6290 §4.5).
func (a *Acceptor) deny(outer *wire.Message, d sa.Datagram) bool {
	if outer.Flags.Response() || !encrypted(outer) || outer.InitiatorSPI == 0 || outer.ResponderSPI == 0 ||
		a.has(outer.InitiatorSPI) || a.has(outer.ResponderSPI) || !a.cfg.Gate.AllowResponse(a.now, d.Remote) {
		return false
	}
	ps := []wire.Payload{notify(wire.NotifyInvalidIKESPI, nil)}
	if a.cfg.CrashSecret != nil && a.detectsCrashes(d) {
		ps = append(ps, crashNotify(crashToken(a.cfg.CrashSecret, !outer.Flags.Initiator(), outer.InitiatorSPI, outer.ResponderSPI)))
	}
	a.dropped(d, sa.ReasonUnknownPeer, "no IKE SA with these SPIs: "+outer.Header.String())
	a.reply(outer.Header, d, ps...)
	return true
}

// has reports whether an SPI belongs to an IKE SA of this host, whoever has it.
func (a *Acceptor) has(spi uint64) bool {
	return a.bySPI[spi] != nil || a.cfg.Registered != nil && a.cfg.Registered(spi)
}

func (a *Acceptor) detectsCrashes(d sa.Datagram) bool {
	return slices.ContainsFunc(a.cfg.Candidates(d.Local.Addr(), d.Remote.Addr()), func(c *sa.Settings) bool { return c.CrashDetection })
}

// unknownSPI tells a peer of which we have no IKE SA that its ESP arrives on an
// SPI that is not here, as a hint to look (RFC 7296 §1.5).
func (a *Acceptor) unknownSPI(ev sa.UnknownSPI) {
	d := sa.Datagram{Local: ev.Local, Remote: ev.Remote}
	if !a.detectsCrashes(d) || !a.cfg.Gate.AllowResponse(a.now, ev.Remote) {
		return
	}
	// Any SPIs will do: the message is of no IKE SA.
	h := wire.Header{InitiatorSPI: a.random.SPI(), Exchange: wire.ExchangeInformational, Flags: wire.FlagInitiator}
	a.transmit(h, d, &wire.Notify{NotifyType: wire.NotifyInvalidSPI, Data: spiBytes(ev.SPI)})
}

// invalidSPI takes the hint of such a peer on: whoever sends on that SPI asks
// whether it lives. Anybody may have sent it, and all connections are gone
// through: no more often than strangers are answered.
func (a *Acceptor) invalidSPI(outer *wire.Message, d sa.Datagram) bool {
	n := wire.FindNotify(outer.Payloads, wire.NotifyInvalidSPI)
	if outer.Exchange != wire.ExchangeInformational || outer.Flags.Response() || n == nil || len(n.Data) != 4 {
		return false
	}
	if a.cfg.Gate.AllowResponse(a.now, d.Remote) {
		a.do(sa.Doubt{Remote: d.Remote, SPI: binary.BigEndian.Uint32(n.Data)})
	}
	return true
}

// doubted asks the peer whether it lives, since somebody says that it does not
// know a Child SA that we send on.
func (m *Machine) doubted(spi uint32) {
	for _, s := range m.sas {
		if (s.state == established || s.state == rekeying) && s.childByOut(spi) != nil {
			s.doubt()
		}
	}
}
