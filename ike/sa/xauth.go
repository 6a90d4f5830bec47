package sa

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"

	"causeway/ike/auth"
)

// XAUTH is the second authentication of IKEv1, of the initiator of phase 1 with a
// user and a password (draft-beaulieu-ike-xauth-02).
type XAUTH struct {
	// User and Password are ours, where the peer asks for them.
	User     string
	Password auth.Secret
	// Users are those that the peer may be, where we ask; nil: we do not.
	Users map[string]auth.Secret
}

// Server tells whether we are the end that asks.
func (x *XAUTH) Server() bool { return x != nil && x.Users != nil }

// Knows tells whether it is the password of one of the users. The time it takes
// tells neither how much of it is right nor whether there is such a user.
func (x *XAUTH) Knows(user, password []byte) bool {
	want, known := x.Users[string(user)]
	a, b := sha256.Sum256(want.Bytes()), sha256.Sum256(password)
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && known && len(password) > 0
}

// ModeConfig is what becomes of an address inside of the tunnel that one end gives
// the other (draft-dukes-ike-mode-cfg-02).
type ModeConfig struct {
	// Request has us ask for an address, which is the only one of ours in the
	// tunnel then.
	Request bool
	// Assign is where the address is from that the peer gets; zero: none. Push gives
	// it unasked.
	Assign netip.Prefix
	Push   bool
	// Client is what the peer is told besides.
	Client Client
}

// Client is what a peer is told that gets an address from us: where it finds names,
// and what its user reads.
type Client struct {
	DNS, WINS []netip.Addr
	Domain    string
	// SplitDNS are the domains whose names it asks our servers for; none: all.
	SplitDNS []string
	Banner   string
}
