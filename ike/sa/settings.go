package sa

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/transform"
)

// Settings is what one connection asks of a machine. It is immutable: a
// changed configuration is a new Settings.
type Settings struct {
	// Name is the user's name of the connection.
	Name string
	// Version is the only major version of IKE that is spoken: 1 or 2; 0 is 2.
	Version int

	// Addresses restricts the local outer addresses; empty allows every one.
	LocalAddresses []netip.Addr
	// RemoteAddresses are the peer's addresses, for choosing a connection when
	// the peer starts. Empty: the peer may come from anywhere.
	RemoteAddresses []netip.Addr

	// LocalIdentity is sent; its zero value means the outer address in use.
	LocalIdentity auth.Identity
	// RemoteIdentity must be shown by the peer; its zero value means the
	// peer's outer address, or any identity where that is unknown (`any`).
	RemoteIdentity auth.Identity
	// AnyRemoteIdentity accepts whatever identity the peer shows;
	// RemoteIdentity is zero then.
	AnyRemoteIdentity bool
	// PSK is the pre-shared key of the sides that do not sign.
	PSK auth.Secret
	// Credentials are what this side signs with; nil: it uses the PSK.
	Credentials *auth.Credentials
	// Trust is what the peer's signature is held against; nil: it uses the PSK.
	Trust *auth.Trust
	// Aggressive begins with Aggressive Mode, and answers it (IKEv1).
	Aggressive bool
	// XAUTH is a user and password besides (IKEv1); nil: none.
	XAUTH *XAUTH
	// ModeConfig is about addresses inside of the tunnel (IKEv1).
	ModeConfig ModeConfig
	// PPK is a post-quantum pre-shared key (RFC 8784); nil: none.
	PPK *PPK

	// IKEProposals and ESPProposals are in order of preference.
	IKEProposals []transform.Proposal
	ESPProposals []transform.Proposal

	// Children are wanted with the first IKE_AUTH (the first of them) and
	// with CREATE_CHILD_SA (the others). Never empty.
	Children []ChildSettings

	IKELifetime time.Duration // rekeyed before this age; 0: never
	// Reauthentication is the age by which the peer is authenticated anew, with
	// a new IKE SA and before the old one goes; 0: never.
	Reauthentication time.Duration
	DPD              time.Duration // liveness check after this much silence; 0: off

	ChildLifetime Lifetime

	// Resources is about Child SAs for single workers.
	Resources Resources

	// ForceEncapsulation claims a NAT so that every peer uses UDP.
	ForceEncapsulation bool
	// BareESP leaves UDP away where there is no NAT.
	BareESP bool
	// Childless is whether an IKE SA may begin without a Child SA (RFC 6023);
	// empty is ChildlessNever.
	Childless Childless
	// CrashDetection exchanges tokens by which an end that lost its state can say
	// so at once (RFC 6290).
	CrashDetection bool
	// FollowRedirects goes where the peer sends us, and RedirectTo sends peers that
	// do so to another gateway, an address or a name (RFC 5685); empty: nowhere.
	FollowRedirects bool
	RedirectTo      string
	// MessageIDSync lets an end that takes over find out the message IDs (RFC 6311).
	MessageIDSync bool
	// SessionResumption gives and takes tickets, by which an IKE SA that was lost is
	// made anew without a key exchange (RFC 5723).
	SessionResumption bool
	// ForbidNAT refuses peers that there is a NAT between, and with MOBIKE has
	// addresses protected (RFC 4555 §3.9).
	ForbidNAT bool
	// MOBIKE offers to go on at other addresses (RFC 4555).
	MOBIKE bool
	// FragmentSize is how long an IP datagram with IKE may be before the message
	// is cut into several (RFC 7383). 0: messages are never cut.
	FragmentSize int
	// RespondOnly never initiates an IKE SA; InitiateOnly never answers one.
	RespondOnly, InitiateOnly bool
}

// IKEVersion is the major version of IKE.
func (s *Settings) IKEVersion() int {
	if s.Version == 1 {
		return 1
	}
	return 2
}

// LocalID is the identity that this end shows, at a local address.
func (s *Settings) LocalID(local netip.Addr) auth.Identity {
	switch {
	case !s.LocalIdentity.IsZero():
		return s.LocalIdentity
	case s.Credentials != nil:
		return s.Credentials.Identity(local)
	}
	return auth.FromAddr(local)
}

// ExpectedID is the identity that the peer must show; zero is any. Where none
// is configured it is the peer's address, unless the peer started and may come
// from anywhere.
func (s *Settings) ExpectedID(remote netip.Addr, initiator bool) auth.Identity {
	switch {
	case s.AnyRemoteIdentity:
		return auth.Identity{}
	case !s.RemoteIdentity.IsZero():
		return s.RemoteIdentity
	case initiator || len(s.RemoteAddresses) > 0:
		return auth.FromAddr(remote)
	}
	return auth.Identity{}
}

// Childless says whether an IKE SA may begin without a Child SA.
type Childless string

// The ways to begin: with a Child SA only; without one if the peer asks for that;
// without one if the peer can; never with one.
const (
	ChildlessNever  Childless = "never"
	ChildlessAllow  Childless = "allow"
	ChildlessPrefer Childless = "prefer"
	ChildlessForce  Childless = "force"
)

// PPK is a post-quantum pre-shared key, which protects what a shared key or a
// certificate authenticates from quantum computers to come.
type PPK struct {
	ID     string
	Secret auth.Secret
	// Required refuses a peer that does not have it.
	Required bool
}

// ChildSettings is one wanted Child SA: the selectors of its two sides, of which
// transport mode keeps what is about the outer addresses.
type ChildSettings struct {
	Name          string
	Local, Remote selector.List
	Mode          Mode
}

// Resources is about Child SAs with the same selectors as another, each for one
// worker of either end (RFC 9611).
type Resources struct {
	// Workers is how many workers this end has that may ask for one of their own.
	Workers int
	// Most is how many there may be besides the one that is for all, whoever asked;
	// 0: it is not offered to the peer that there be any.
	Most int
}

// Lifetime is when a Child SA is replaced: at the first limit reached. The hard
// limit is derived from it (a tenth later). Zero fields are no limit.
type Lifetime struct {
	Time    time.Duration
	Bytes   uint64
	Packets uint64
}

// String names the limits that there are.
func (l Lifetime) String() string {
	var limits []string
	if l.Time > 0 {
		limits = append(limits, l.Time.Round(time.Second).String())
	}
	if l.Bytes > 0 {
		limits = append(limits, fmt.Sprintf("%d octets", l.Bytes))
	}
	if l.Packets > 0 {
		limits = append(limits, fmt.Sprintf("%d packets", l.Packets))
	}
	if len(limits) == 0 {
		return "no lifetime is set"
	}
	return "lifetime " + strings.Join(limits, ", ")
}
