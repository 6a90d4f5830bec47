package ikev2

import (
	"crypto/sha256"
	"errors"
	"io"
	"net/netip"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/ticket"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// AcceptorConfig is what an Acceptor is made of.
type AcceptorConfig struct {
	// Candidates are the connections that a peer at remote may be, most
	// specific first. Those with InitiateOnly are not answered.
	Candidates func(local, remote netip.Addr) []*sa.Settings
	// Others are those of another version, which a peer that finds no candidate
	// may have been meant for; nil: none.
	Others func(local, remote netip.Addr) []*sa.Settings
	// Random is the only source of entropy.
	Random io.Reader
	// KeyLog is told the keys of each IKE SA, for debugging; nil tells nobody.
	KeyLog func(sa.IKEKeys)
	// CrashSecret is that of the machines (Config).
	CrashSecret []byte
	// Tickets is that of the machines (Config).
	Tickets *ticket.Mint
	// Registered reports whether a local IKE SPI has an owner; nil: only those of
	// the acceptor do.
	Registered func(spi uint64) bool
	// Alter is that of the machines (Config).
	Alter func(wire.Header, []wire.Payload) []wire.Payload
	// Held is that of the machines (Config).
	Held func(spi uint64, keys ...[]byte)
	// Traced tells whether anybody looks at sa.MessageTrace; nil: always. It is not
	// made for those whose address is not proved, where nobody does.
	Traced func() bool
	// Gate decides on every IKE_SA_INIT before work is done for it.
	Gate *cookie.Gate
	// Limit bounds the table of half-open IKE SAs, with those that are over and
	// kept to know repeats by: the oldest makes room. Zero is 10000.
	Limit int
	// Timeout is how long a peer may take to finish IKE_AUTH. Zero is 30 s.
	Timeout time.Duration
}

const defaultHalfOpenLimit = 10000

// Acceptor is the responder before a connection is known. It answers
// IKE_SA_INIT, computes the shared secret when IKE_AUTH arrives, judges the proof
// in it, and hands the SA to the machine of the connection that the addresses and
// then the identities choose (sa.Handover). It is owned by one goroutine.
//
// Datagrams for an SPI that nobody registered go to the acceptor, too: it
// answers those that RFC 7296 §2.5 wants answered, and drops the rest. A peer
// for which there is no connection is answered NO_PROPOSAL_CHOSEN, within the
// gate's limits, so that its log shows more than a timeout.
type Acceptor struct {
	cfg    AcceptorConfig
	random sansio.Entropy
	desk   sansio.Desk

	// now and out are of the Step that runs.
	now time.Time
	out []sa.Action

	strangers sansio.Throttle

	halves []*half // the oldest first
	byPeer map[peerKey]*half
	bySPI  map[uint64]*half
}

// peerKey is what a repeated IKE_SA_INIT request is known by.
type peerKey struct {
	remote netip.AddrPort
	spi    uint64
}

// half is one half-open IKE SA of the acceptor.
type half struct {
	association
	stage   stage
	since   time.Time
	private transform.PrivateKey
	peerKE  []byte
	left    []uint16          // additional key exchanges that are not made yet
	window  window            // of the peer's requests after IKE_SA_INIT
	waiting []sa.Datagram     // what came and waits for the shared secret
	refused [][]byte          // our answer to it, if it was not granted
	asked   [sha256.Size]byte // of the IKE_AUTH that was refused
	proof   *message          // that is being judged
	proven  bool              // it holds, as far as nobody else is asked
}

// stage is where a half-open IKE SA is.
type stage uint8

const (
	stageSharing  stage = iota // our key share is being made
	stageAnswered              // IKE_SA_INIT is answered
	stageAgreeing              // the shared secret is being computed
	stageKeyed                 // IKE_AUTH can be decrypted
	stageJudging               // the proof in it is being checked
	stageOver                  // handed over or refused; kept to know repeats
)

// NewAcceptor makes an acceptor without half-open IKE SAs.
func NewAcceptor(cfg AcceptorConfig) *Acceptor {
	if cfg.Limit == 0 {
		cfg.Limit = defaultHalfOpenLimit
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = adoptTimeout
	}
	return &Acceptor{cfg: cfg, random: sansio.Entropy{Source: cfg.Random}, byPeer: map[peerKey]*half{}, bySPI: map[uint64]*half{}}
}

// Step tells the acceptor of a Datagram, a WorkDone, a TimerDue or an UnknownSPI
// of a peer without an IKE SA; it ignores every other event.
func (a *Acceptor) Step(dst []sa.Action, now time.Time, ev sa.Event) []sa.Action {
	a.now, a.out = now, dst
	switch ev := ev.(type) {
	case sa.Datagram:
		a.datagram(ev)
	case sa.WorkDone:
		a.desk.Finish(ev)
	case sa.UnknownSPI:
		a.unknownSPI(ev)
	}
	a.reap()
	dst, a.out = a.out, nil
	return dst
}

// Deadline is when the acceptor wants sa.TimerDue next; the zero time is never.
func (a *Acceptor) Deadline() time.Time {
	if len(a.halves) == 0 {
		return time.Time{}
	}
	return a.halves[0].since.Add(a.cfg.Timeout)
}

// HalfOpen is how many IKE SAs wait for their peer to finish.
func (a *Acceptor) HalfOpen() int {
	n := 0
	for _, h := range a.halves {
		if h.stage < stageJudging {
			n++
		}
	}
	return n
}

func (a *Acceptor) do(act sa.Action) { a.out = append(a.out, act) }

func (a *Acceptor) traced() bool { return a.cfg.Traced == nil || a.cfg.Traced() }

func (a *Acceptor) emit(r sa.Report) { a.do(sa.Emit{Report: r}) }

func (a *Acceptor) dropped(d sa.Datagram, why sa.Reason, detail string) {
	a.emit(sa.MessageDropped{Remote: d.Remote, Reason: why, Detail: detail})
}

// failed reports an attempt that came to nothing, under the name of the
// connection where the peer's address leaves no choice. Strangers decide how many
// there are, so what is too much is reported as a message that was dropped.
func (a *Acceptor) failed(d sa.Datagram, f *sa.Failure) {
	if !a.strangers.Allow(a.now) {
		a.dropped(d, f.Reason, f.Message)
		return
	}
	name := ""
	only := a.candidates(d)
	if len(only) == 0 {
		only = a.others(d)
	}
	if len(only) == 1 && len(only[0].RemoteAddresses) > 0 {
		name = only[0].Name
	}
	a.emit(sa.Failed{Connection: name, Remote: d.Remote, Failure: f})
}

// reap ends what waited too long for its peer.
func (a *Acceptor) reap() {
	for len(a.halves) > 0 && !a.now.Before(a.halves[0].since.Add(a.cfg.Timeout)) {
		why := "the peer sent IKE_SA_INIT and no valid IKE_AUTH; check that UDP port 4500 passes both ways"
		if a.halves[0].stage == stageJudging {
			why = "what came of checking the peer's proof took too long"
		}
		a.end(a.halves[0], sa.ReasonTimeout, why)
	}
}

// end takes the oldest row away; why is reported if its peer did not finish.
func (a *Acceptor) end(h *half, why sa.Reason, detail string) {
	a.halves = a.halves[1:]
	delete(a.byPeer, peerKey{h.remote, h.spiI})
	delete(a.bySPI, h.spiR)
	if h.stage != stageOver {
		a.emit(sa.MessageDropped{Remote: h.remote, Reason: why, Detail: detail})
		a.over(h)
		a.do(sa.ReleaseSPI{SPI: h.spiR})
	} else if h.refused != nil {
		a.do(sa.ReleaseSPI{SPI: h.spiR})
	}
}

// over ends a half-open IKE SA, and erases its keys; its row stays, to know repeats by,
// until it would have timed out.
func (a *Acceptor) over(h *half) {
	if h.stage < stageJudging {
		a.cfg.Gate.Closed(a.now, h.remote)
	}
	h.stage = stageOver
	a.desk.Cancel(h)
	if h.private != nil {
		h.private.Erase()
		h.private = nil
	}
	h.waiting, h.proof = nil, nil
	h.erase()
}

// datagram sorts what nobody else wants.
func (a *Acceptor) datagram(d sa.Datagram) {
	if h, err := wire.ParseHeader(d.Raw); err == nil && opens(h) {
		a.initRequest(h, d)
		return
	}
	outer, err := wire.ParseMessage(d.Raw)
	var version *wire.VersionError
	switch {
	case errors.As(err, &version):
		a.refuseVersion(outer, d, version)
		return
	case err != nil:
		a.dropped(d, sa.ReasonInvalidSyntax, err.Error())
		return
	case a.deny(outer, d) || a.invalidSPI(outer, d):
		return
	case outer.Flags.Response() || !outer.Flags.Initiator():
	case outer.Exchange == wire.ExchangeIKEAuth || outer.Exchange == wire.ExchangeIKEIntermediate:
		if h := a.bySPI[outer.ResponderSPI]; h != nil && h.spiI == outer.InitiatorSPI {
			a.protectedRequest(h, outer, d)
			return
		}
	}
	a.dropped(d, sa.ReasonUnknownPeer, "no IKE SA with these SPIs: "+outer.Header.String())
}

// opens tells the request for a new IKE SA, in full or by a ticket (RFC 7296 §1.2,
// RFC 5723 §4.3.1).
func opens(h wire.Header) bool {
	return (h.Exchange == wire.ExchangeIKESAInit || h.Exchange == wire.ExchangeIKESessionResume) && h.Major == wire.MajorVersion &&
		h.Flags.Initiator() && !h.Flags.Response() && h.MessageID == 0 && h.InitiatorSPI != 0 && h.ResponderSPI == 0
}

// refuseVersion answers a higher major version (RFC 7296 §2.5). Lower ones are
// not answered: their senders would not understand.
func (a *Acceptor) refuseVersion(outer *wire.Message, d sa.Datagram, v *wire.VersionError) {
	a.dropped(d, sa.ReasonVersionMismatch, v.Error())
	if v.Major > wire.MajorVersion && !outer.Flags.Response() && outer.InitiatorSPI != 0 && a.cfg.Gate.AllowResponse(a.now, d.Remote) {
		a.reply(outer.Header, d, notify(wire.NotifyInvalidMajorVersion, nil))
	}
}

// refusalRoom is what a message without protection takes, as a rule: a notification.
const refusalRoom = 96

// reply answers a request that no IKE SA came of, without protection.
func (a *Acceptor) reply(request wire.Header, d sa.Datagram, ns ...wire.Payload) {
	h := wire.Header{InitiatorSPI: request.InitiatorSPI, ResponderSPI: request.ResponderSPI,
		Exchange: request.Exchange, Flags: wire.FlagResponse, MessageID: request.MessageID}
	if !request.Flags.Initiator() {
		h.Flags |= wire.FlagInitiator
	}
	a.transmit(h, d, ns...)
}

// transmit sends a message without protection to where d came from.
func (a *Acceptor) transmit(h wire.Header, d sa.Datagram, ps ...wire.Payload) {
	raw, err := (&wire.Message{Header: h, Payloads: ps}).Append(make([]byte, 0, refusalRoom))
	if err != nil {
		return
	}
	a.do(sa.Send{Local: d.Local, Remote: d.Remote, Bytes: raw})
	if a.traced() {
		a.emit(trace("", true, h, wire.Summary(ps), len(raw), d.Local, d.Remote, 0))
	}
}

// agreed derives the keys and judges the IKE_AUTH that waited for them.
func (a *Acceptor) agreed(h *half, r sansio.KeyExchanged) {
	if r.Err == nil {
		r.Err = h.deriveKeys(keymat.SKEYSEED(h.prf, h.nonceI, h.nonceR, r.Shared))
		keymat.Erase(r.Shared)
	}
	if r.Err != nil {
		a.over(h)
		a.do(sa.ReleaseSPI{SPI: h.spiR})
		a.failed(sa.Datagram{Local: h.local, Remote: h.remote}, badShare(r.Err))
		return
	}
	h.private.Erase()
	h.private, h.peerKE = nil, nil
	a.resume(h)
}

// resume judges what waited for keys.
func (a *Acceptor) resume(h *half) {
	h.stage = stageKeyed
	waiting := h.waiting
	h.waiting = nil
	for _, d := range waiting {
		if outer, err := wire.ParseMessage(d.Raw); err == nil {
			a.protectedRequest(h, outer, d)
		}
	}
}
