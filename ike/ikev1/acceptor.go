package ikev1

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
)

// AcceptorConfig is what an Acceptor is made of.
type AcceptorConfig struct {
	// Candidates are the connections of IKEv1 that a peer at remote may be, most
	// specific first. Those with InitiateOnly are not answered.
	Candidates func(local, remote netip.Addr) []*sa.Settings
	// Others are those of another version, which a peer that finds no candidate
	// may have been meant for; nil: none.
	Others func(local, remote netip.Addr) []*sa.Settings
	// Random is the only source of entropy.
	Random io.Reader
	// Gate bounds half-open SAs and answers. IKEv1 has no cookies that a peer
	// would have to show, so where the gate asks for one, nothing is answered.
	Gate *cookie.Gate
	// Limit bounds the table of half-open SAs; the oldest makes room. Zero is
	// 4096.
	Limit int
	// Timeout is how long a peer may take. Zero is 30 s.
	Timeout time.Duration
}

const (
	defaultHalfOpenLimit = 4096
	// maxFirstLen bounds the messages of a peer that is not authenticated: much
	// more than one that offers every combination sends.
	maxFirstLen = 16 << 10
	// maxKeys bounds the connections whose keys are tried on one message.
	maxKeys = 64
)

// Acceptor is the responder before a connection is known. It answers Main Mode
// until the peer says who it is, and hands the SA to the machine of the
// connection whose key opens that message (sa.Handover). It is owned by one
// goroutine.
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

// peerKey is what a repeated first message is known by.
type peerKey struct {
	remote netip.AddrPort
	cookie uint64
}

// half is one half-open SA of the acceptor.
type half struct {
	association
	stage     stage
	since     time.Time
	first     netip.AddrPort // where the first message came from
	repeat    repeater
	private   transform.PrivateKey
	sharedKey []byte      // g^xy
	proof     sa.Datagram // the identity that waits for the shared secret

	kind isakmp.ExchangeType // Main or Aggressive Mode
	// connection is the first whose proposals and, in Aggressive Mode, identity
	// fit. Main Mode cannot tell yet among those that want the same.
	connection *sa.Settings
	offered    uint16 // the method of authentication that the peer offered, with XAUTH
	// Of Aggressive Mode only: as whom we answered, whom the first message names,
	// how many proofs of it were looked at, and whether a refusal was reported.
	ownIdentity string
	peerID      *isakmp.Identification
	checks      int
	told        bool
}

// stage is where a half-open SA is.
type stage uint8

const (
	stageChosen   stage = iota // our choice of a suite is sent
	stageSharing               // our key share is being made
	stageShared                // our key share is sent
	stageAgreeing              // the shared secret is being computed
	stageKeyed                 // the peer's identity can be decrypted
	stageAnswered              // Aggressive Mode: all of ours is sent, the peer's proof is awaited
	stageOver                  // handed over or refused; kept to know repeats
)

// NewAcceptor makes an acceptor without half-open SAs.
func NewAcceptor(cfg AcceptorConfig) *Acceptor {
	if cfg.Limit == 0 {
		cfg.Limit = defaultHalfOpenLimit
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = adoptTimeout
	}
	return &Acceptor{cfg: cfg, random: sansio.Entropy{Source: cfg.Random}, byPeer: map[peerKey]*half{}, bySPI: map[uint64]*half{}}
}

// Step tells the acceptor of a Datagram, a WorkDone or a TimerDue; it ignores
// every other event.
func (a *Acceptor) Step(dst []sa.Action, now time.Time, ev sa.Event) []sa.Action {
	a.now, a.out = now, dst
	switch ev := ev.(type) {
	case sa.Datagram:
		a.datagram(ev)
	case sa.WorkDone:
		a.desk.Finish(ev)
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

// HalfOpen is how many SAs wait for their peer to finish.
func (a *Acceptor) HalfOpen() int {
	n := 0
	for _, h := range a.halves {
		if h.stage != stageOver {
			n++
		}
	}
	return n
}

func (a *Acceptor) do(act sa.Action) { a.out = append(a.out, act) }

func (a *Acceptor) emit(r sa.Report) { a.do(sa.Emit{Report: r}) }

func (a *Acceptor) dropped(d sa.Datagram, why sa.Reason, detail string) {
	a.emit(sa.MessageDropped{Remote: d.Remote, Reason: why, Detail: detail})
}

// failed reports an attempt that came to nothing, under the name of the
// connection where the peer's address leaves no choice. What is too much is
// reported as a message that was dropped.
func (a *Acceptor) failed(d sa.Datagram, among []*sa.Settings, f *sa.Failure) {
	if !a.strangers.Allow(a.now) {
		a.dropped(d, f.Reason, f.Message)
		return
	}
	name := ""
	if len(among) == 1 && len(among[0].RemoteAddresses) > 0 {
		name = among[0].Name
	}
	a.emit(sa.Failed{Connection: name, Remote: d.Remote, Failure: f})
}

// reap ends what waited too long for its peer.
func (a *Acceptor) reap() {
	for len(a.halves) > 0 && !a.now.Before(a.halves[0].since.Add(a.cfg.Timeout)) {
		h := a.halves[0]
		if h.stage == stageAnswered && !h.told {
			a.failed(sa.Datagram{Local: h.local, Remote: h.remote}, []*sa.Settings{h.connection}, h.leftOff())
		}
		a.end(h, sa.ReasonTimeout, fmt.Sprintf("the peer began %v and did not finish it; check that UDP ports 500 and 4500 pass both ways", h.kind))
	}
}

// end takes the oldest row away; why is reported if its peer did not finish.
func (a *Acceptor) end(h *half, why sa.Reason, detail string) {
	a.halves = a.halves[1:]
	delete(a.byPeer, peerKey{h.first, h.cookieI})
	delete(a.bySPI, h.cookieR)
	if h.stage != stageOver {
		a.emit(sa.MessageDropped{Remote: h.remote, Reason: why, Detail: detail})
		a.over(h)
		a.do(sa.ReleaseSPI{SPI: h.cookieR})
	}
}

// over ends a half-open SA; its row stays, to know repeats by, until it would
// have timed out.
func (a *Acceptor) over(h *half) {
	h.stage = stageOver
	a.desk.Cancel(h)
	a.cfg.Gate.Closed(a.now, h.first)
	if h.private != nil {
		h.private.Erase()
		h.private = nil
	}
	keymat.Erase(h.sharedKey)
	h.sharedKey, h.proof, h.repeat = nil, sa.Datagram{}, repeater{}
}

// datagram sorts what nobody else wants.
func (a *Acceptor) datagram(d sa.Datagram) {
	msg, err := isakmp.ParseMessage(d.Raw)
	var version *isakmp.VersionError
	switch {
	case errors.As(err, &version):
		a.dropped(d, sa.ReasonVersionMismatch, version.Error())
		return
	case err != nil:
		a.dropped(d, sa.ReasonInvalidSyntax, err.Error())
		return
	case len(d.Raw) > maxFirstLen:
		a.dropped(d, sa.ReasonInvalidSyntax, fmt.Sprintf("a first message of %d octets, at most %d are taken", len(d.Raw), maxFirstLen))
		return
	}
	if a.phaseOne(msg, d) {
		return
	}
	a.dropped(d, sa.ReasonUnknownPeer, "no ISAKMP SA with these cookies: "+msg.Header.String())
}

// phaseOne leads a message to the half-open SA that it names, or begins one.
func (a *Acceptor) phaseOne(msg *isakmp.Message, d sa.Datagram) bool {
	h := a.bySPI[msg.ResponderCookie]
	known := h != nil && h.cookieI == msg.InitiatorCookie
	if known && h.stage != stageOver {
		whole, done, err := h.incoming.assemble(msg, &d)
		if err != nil {
			a.dropped(d, sa.ReasonInvalidSyntax, err.Error())
		}
		if done {
			return true
		}
		msg = whole
	}
	switch {
	case known && h.kind == isakmp.ExchangeAggressive && msg.Exchange != isakmp.ExchangeAggressive:
		a.between(h, msg, d)
		return true
	case msg.MessageID != 0:
		return false
	case msg.Exchange == isakmp.ExchangeMain && msg.ResponderCookie == 0:
		a.first(msg, d)
		return true
	case msg.Exchange == isakmp.ExchangeMain && known:
		a.next(h, msg, d)
		return true
	case msg.Exchange == isakmp.ExchangeAggressive && msg.ResponderCookie == 0:
		a.firstAggressive(msg, d)
		return true
	case msg.Exchange == isakmp.ExchangeAggressive && known && h.kind == isakmp.ExchangeAggressive:
		a.lastAggressive(h, msg, d)
		return true
	}
	return false
}

func (a *Acceptor) candidates(d sa.Datagram) []*sa.Settings {
	var out []*sa.Settings
	for _, c := range a.cfg.Candidates(d.Local.Addr(), d.Remote.Addr()) {
		if !c.InitiateOnly {
			out = append(out, c)
		}
	}
	return out
}

// reply sends a message in the clear for a half-open SA.
func (a *Acceptor) reply(h *half, d sa.Datagram, ps []isakmp.Payload) {
	raw, err := clearMessage(h.header(h.kind, 0), ps)
	if err != nil {
		return
	}
	h.repeat.say(a.now, sa.RetransmitPolicy{}, raw, isakmp.Summary(ps), false, nil)
	t := trace("", true, h.header(h.kind, 0), isakmp.Summary(ps), len(raw), path{d.Local, d.Remote}, 0)
	if n := a.transmit(h, raw, path{d.Local, d.Remote}); n > 1 {
		t.Fragments = n
	}
	a.emit(t)
}

// transmit sends a message of a half-open SA, cut if need be, and gives the
// number of datagrams.
func (a *Acceptor) transmit(h *half, raw []byte, by path) int {
	limit := 0
	if h.connection != nil {
		limit = h.connection.FragmentSize
	}
	datagrams := h.datagrams(raw, h.kind, limit, by.remote)
	for _, b := range datagrams {
		a.do(sa.Send{Local: by.local, Remote: by.remote, Bytes: b})
	}
	return len(datagrams)
}

func (a *Acceptor) send(raw []byte, ps []isakmp.Payload, by path) {
	h, _ := isakmp.ParseHeader(raw)
	a.do(sa.Send{Local: by.local, Remote: by.remote, Bytes: raw})
	a.emit(trace("", true, h, isakmp.Summary(ps), len(raw), by, 0))
}

// refuse answers a first message that no SA came of, within the gate's limits.
func (a *Acceptor) refuse(msg *isakmp.Message, d sa.Datagram, t isakmp.NotifyType) {
	if !a.cfg.Gate.AllowResponse(a.now, d.Remote) {
		return
	}
	ps := []isakmp.Payload{&isakmp.Notification{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtocolISAKMP, NotifyType: t}}
	h := isakmp.Header{InitiatorCookie: msg.InitiatorCookie, Exchange: isakmp.ExchangeInformational, MessageID: a.random.MessageID()}
	if raw, err := clearMessage(h, ps); err == nil {
		a.send(raw, ps, path{d.Local, d.Remote})
	}
}
