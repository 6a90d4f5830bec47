package ikev2

import (
	"fmt"
	"net/netip"
	"time"

	"causeway/ike/auth"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// association is what makes an IKE SA one: SPIs, addresses, suite and keys. A
// half-open SA and an IKE SA of a machine both are one.
type association struct {
	initiator     bool // we are the original initiator (RFC 7296 §2.2)
	spiI, spiR    uint64
	local, remote netip.AddrPort
	nat           natState

	suite          transform.Suite
	prf            *transform.PRF
	nonceI, nonceR []byte
	// initRequest and initResponse are the IKE_SA_INIT messages as they were on
	// the wire, which AUTH covers (RFC 7296 §2.15). Gone after IKE_AUTH.
	initRequest, initResponse []byte

	// fragmentSize is how long an IP datagram of ours may be (RFC 7383); 0 where
	// the two ends did not agree to cut messages.
	fragmentSize int
	// requests and answers are the peer's message of each kind of which fragments are
	// missing: one crosses the other (RFC 7296 §2.3).
	requests, answers assembly
	// peerHashes are the hash algorithms in which we may sign (RFC 7427 §4); nil:
	// the peer announced none.
	peerHashes []auth.HashAlgorithm
	// peerAsksStaple says that the peer wants an OCSP response with our
	// certificate (RFC 4806 §3.1).
	peerAsksStaple bool
	// ppkAgreed says that both ends announced to have post-quantum keys.
	ppkAgreed bool

	// intermediates says whether IKE_INTERMEDIATE was agreed, and chainI and
	// chainR are what AUTH covers of its messages (RFC 9242 §3.3).
	intermediates  bool
	chainI, chainR []byte
	authID         uint32 // message ID of IKE_AUTH, as the responder, or where these are

	// childless says that the responder announced to take an IKE_AUTH without a
	// Child SA (RFC 6023).
	childless bool

	// synced says that both ends can synchronize message IDs (RFC 6311).
	synced bool
	// replaySynced says that both ends can leave out sequence numbers of ESP when one
	// lost its replay windows (RFC 6311 §5.2).
	replaySynced bool
	// natless says that the peer's first message had no NAT detection, so that it has
	// no NAT traversal, as libreswan when it resumes a session: its ESP goes without UDP.
	natless bool
	// resumed is what the IKE SA takes over with a ticket; nil: it has none (resume.go).
	resumed *resumption
	// redirects says that the initiator can be sent elsewhere, and expected is the
	// gateway that was asked first, where another one sent us here (redirect.go).
	redirects bool
	expected  netip.Addr
	// configured is where the peer was when all began (sa.IKEInfo).
	configured netip.Addr

	// keyLog is told of new keys; nil but for debugging.
	keyLog func(sa.IKEKeys)
	// held is Config.Held.
	held func(spi uint64, keys ...[]byte)
	// mobike says that MOBIKE was agreed, and origin that we began the first of the
	// IKE SAs that replaced one another (RFC 4555 §3.1).
	mobike, origin bool
	// peerAddresses are the peer's further addresses (mobike_paths.go).
	peerAddresses []netip.Addr

	keys     keymat.IKEKeys
	outgoing *transform.Protector
	incoming *transform.Protector
}

func (a *association) localSPI() uint64 {
	if a.initiator {
		return a.spiI
	}
	return a.spiR
}

// choose takes the suite on. It is one that transform matched, so its PRF
// exists.
func (a *association) choose(s transform.Suite) error {
	prf, err := transform.NewPRF(s.PRF.ID)
	if err != nil {
		return err
	}
	a.suite, a.prf = s, prf
	return nil
}

// deriveKeys takes all keys from SKEYSEED and erases it (RFC 7296 §2.14).
func (a *association) deriveKeys(skeyseed []byte) error {
	a.erase()
	a.keys = keymat.DeriveIKE(a.suite, skeyseed, a.nonceI, a.nonceR, a.spiI, a.spiR)
	keymat.Erase(skeyseed)
	toR, err := transform.NewProtector(a.suite, a.keys.EI, a.keys.AI)
	if err != nil {
		return err
	}
	toI, err := transform.NewProtector(a.suite, a.keys.ER, a.keys.AR)
	if err != nil {
		return err
	}
	a.outgoing, a.incoming = toR, toI
	if !a.initiator {
		a.outgoing, a.incoming = toI, toR
	}
	if k := a.keys; a.held != nil {
		a.held(a.localSPI(), k.D, k.AI, k.AR, k.EI, k.ER, k.PI, k.PR)
	}
	if a.keyLog != nil {
		a.keyLog(sa.IKEKeys{
			SPIi: a.spiI, SPIr: a.spiR, Suite: a.suite,
			EncryptionI: auth.NewSecret(a.keys.EI), EncryptionR: auth.NewSecret(a.keys.ER),
			IntegrityI: auth.NewSecret(a.keys.AI), IntegrityR: auth.NewSecret(a.keys.AR),
		})
	}
	return nil
}

// erase overwrites every key, and forgets what was opened with them.
func (a *association) erase() {
	a.keys.Erase()
	a.requests.clear()
	a.answers.clear()
	for _, p := range []*transform.Protector{a.outgoing, a.incoming} {
		if p != nil {
			p.Erase()
		}
	}
}

// header is that of our next message in an exchange.
func (a *association) header(ex wire.ExchangeType, response bool, id uint32) wire.Header {
	h := wire.Header{InitiatorSPI: a.spiI, ResponderSPI: a.spiR, Exchange: ex, MessageID: id}
	if a.initiator {
		h.Flags |= wire.FlagInitiator
	}
	if response {
		h.Flags |= wire.FlagResponse
	}
	return h
}

// open authenticates and decrypts a datagram whose outside is already parsed.
// An error without authentic is about bytes that anyone may have sent; the
// message that comes with an authentic error has no payloads. errPartial says
// that there is no message yet.
func (a *association) open(outer *wire.Message, d sa.Datagram, now time.Time) (msg *message, authentic bool, err error) {
	if len(outer.Payloads) > 1 {
		return nil, false, fmt.Errorf("ikev2: payloads outside of the encryption: %s", outer.Summary())
	}
	if f, ok := outer.EncryptedFragment(); ok {
		return a.collect(outer, f, d, now)
	}
	sk, ok := outer.Encrypted()
	if !ok {
		return nil, false, errNotEncrypted
	}
	plain, err := a.incoming.Open(d.Raw, sk.Offset)
	msg = &message{Header: outer.Header, raw: d.Raw, size: len(d.Raw), first: sk.First, plain: plain, local: d.Local, remote: d.Remote}
	if err == transform.ErrPadding {
		return msg, true, &syntaxError{err.Error()}
	}
	if err != nil {
		return nil, false, err
	}
	return msg, true, msg.parse()
}

// info describes the IKE SA for reports.
func (a *association) info() sa.IKEInfo {
	return sa.IKEInfo{
		Version: 2, Initiator: a.initiator, SPIi: a.spiI, SPIr: a.spiR,
		Local: a.local, Remote: a.remote, NAT: a.nat.String(), Suite: a.suite.String(),
	}
}
