package ikev2

import (
	"io"
	"net/netip"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/sa"
)

// AcceptorConfig is what an Acceptor is made of.
type AcceptorConfig struct {
	// Candidates are the connections that a peer at remote may be, most
	// specific first. Those with InitiateOnly are not answered.
	Candidates func(local, remote netip.Addr) []*sa.Settings
	// Random is the only source of entropy.
	Random io.Reader
	// Gate decides on every IKE_SA_INIT before work is done for it.
	Gate *cookie.Gate
	// Limit bounds the table of half-open IKE SAs. Zero is 10000.
	Limit int
	// Timeout is how long a peer may take to finish IKE_AUTH. Zero is 30 s.
	Timeout time.Duration
}

// Acceptor is the responder before a connection is known. It answers
// IKE_SA_INIT, computes the shared secret when IKE_AUTH arrives, and hands the
// SA to the machine of the connection that the addresses and then the
// identities choose (sa.Handover). It is owned by one goroutine.
//
// Datagrams for an SPI that nobody registered go to the acceptor, too: it
// answers those that RFC 7296 §2.21 and §2.5 want answered, and drops the rest.
type Acceptor struct {
	cfg AcceptorConfig
}

// NewAcceptor makes an acceptor without half-open IKE SAs.
func NewAcceptor(cfg AcceptorConfig) *Acceptor { return &Acceptor{cfg: cfg} }

// Step tells the acceptor of a Datagram, a WorkDone or a TimerDue; it ignores
// every other event.
func (a *Acceptor) Step(dst []sa.Action, now time.Time, ev sa.Event) []sa.Action { return dst }

// Deadline is when the acceptor wants sa.TimerDue next; the zero time is never.
func (a *Acceptor) Deadline() time.Time { return time.Time{} }

// HalfOpen is how many IKE SAs wait for their peer to finish.
func (a *Acceptor) HalfOpen() int { return 0 }

// HalfOpen is an IKE SA between its IKE_SA_INIT and the machine that adopts it
// with sa.Adopt: keys, both IKE_SA_INIT messages, and the first IKE_AUTH.
type HalfOpen struct{}

// HalfOpen marks the type as one that sa.Handover carries.
func (*HalfOpen) HalfOpen() {}
