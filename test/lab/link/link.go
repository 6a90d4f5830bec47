// Package link describes one tunnel independently of who runs it, so that the
// same scenario configures this project's gateway and a strongSwan.
//
// It holds values only.
package link

import (
	"net/netip"
	"time"

	"causeway/test/lab/world"
)

// Name is what a scenario with one connection calls it.
const Name = "link"

// End is what one gateway is told about the tunnel.
type End struct {
	// Name is the connection's; empty: link.Name.
	Name string

	// Version is IKE's; 0: 2.
	Version int

	Local  netip.Addr // outer
	Remote netip.Addr // outer; the zero value: any
	// RemoteName takes the place of Remote in our gateway's configuration.
	RemoteName string

	// Also are further outer addresses that our gateway listens on.
	Also []netip.Addr

	// LocalIdentity and RemoteIdentity may be empty: the addresses, or with a
	// Remote of any, whatever the peer names itself.
	LocalIdentity, RemoteIdentity string
	PSK                           string

	LocalNetworks, RemoteNetworks []netip.Prefix

	// IKE and ESP are proposals in strongSwan's keywords; none: the defaults.
	IKE, ESP []string

	// Start brings the tunnel up and keeps it so; otherwise this end waits.
	Start bool
	// OnTraffic brings the tunnel up when a packet wants it. strongSwan's
	// userspace ESP cannot do that.
	OnTraffic bool
	// PolicyBased makes the networks the selectors. strongSwan does so always.
	PolicyBased bool
	// Split gives each pair of networks a Child SA of its own, called link-0,
	// link-1, ... Only strongSwan can be told so.
	Split bool
	// DPD is the liveness interval, IKELifetime and ESPLifetime when an SA is
	// rekeyed; 0 leaves the default.
	DPD, IKELifetime, ESPLifetime time.Duration
	// DataPath and DisableOffloads are our gateway's, whose first End counts.
	DataPath        string
	DisableOffloads []string
	// Quiet has our gateway log what users have it log, and not the messages; the
	// first End counts.
	Quiet bool
	// FragmentSize is the longest IP datagram of an IKE message that is not cut; 0
	// leaves the default.
	FragmentSize int

	// Mode is that of ESP; empty: tunnel. In transport mode there are no networks,
	// and Protocols is what the two ends send each other; none: everything.
	Mode      string
	Protocols []string
	// Bare asks our gateway for ESP without UDP. strongSwan does so anyway, where
	// it sees no NAT.
	Bare bool

	// Proof is how this end proves itself and holds the other to its word; nil:
	// both by the PSK. Peer leaves it out, since each end has its own.
	Proof *Proof

	// IKEKeys are further lines of YAML for the connection's ike, which only this
	// project's gateway reads; SwanKeys are those of strongSwan's connection, and
	// PlutoKeys of libreswan's.
	IKEKeys, SwanKeys, PlutoKeys []string
	// ESPKeys and SwanChildKeys are the same of esp, and of strongSwan's children.
	ESPKeys, SwanChildKeys []string
	// SwanTop are lines of swanctl.conf beside the connections, such as pools.
	SwanTop []string
	// SwanDaemon are lines of strongSwan's own settings; the first End's count.
	SwanDaemon []string
	// Keys are further lines of YAML for the connection, and the others for the
	// gateway and its interface, of which the first End's count. Only this
	// project's gateway reads them.
	Keys, GatewayKeys, InterfaceKeys string
}

// IKEVersion is the version of IKE.
func (e End) IKEVersion() int {
	if e.Version == 0 {
		return 2
	}
	return e.Version
}

// DPDTimeout is how long strongSwan lets an unanswered liveness check of IKEv1 go
// on; for IKEv2 it has the schedule of retransmissions.
func (e End) DPDTimeout() time.Duration { return 3 * e.DPD }

// Connection is the connection's name.
func (e End) Connection() string {
	if e.Name == "" {
		return Name
	}
	return e.Name
}

// Pair gives the two ends of a tunnel between the sites of a World, over IPv4,
// for their first IPv4 and their IPv6 network. End A starts it.
func Pair() (a, b End) {
	a = Between(world.SiteA, world.SiteB)
	return a, a.Peer()
}

// Hosts is Pair in transport mode: what the two gateways send each other.
func Hosts(protocols ...string) (a, b End) {
	a, _ = Pair()
	a.LocalNetworks, a.RemoteNetworks, a.Mode, a.Protocols = nil, nil, "transport", protocols
	return a, a.Peer()
}

// Between gives the first site's end of a tunnel such as Pair's to the second,
// which it starts.
func Between(here, there world.Site) End {
	networks := func(s world.Site) []netip.Prefix {
		return []netip.Prefix{s.Networks[0], s.Networks[len(s.Networks)-1]}
	}
	return End{
		Local:          here.Outer4,
		Remote:         there.Outer4,
		LocalIdentity:  here.Name + ".lab.example",
		RemoteIdentity: there.Name + ".lab.example",
		PSK:            "a key that both ends of the laboratory know",
		LocalNetworks:  networks(here),
		RemoteNetworks: networks(there),
		IKE:            []string{"aes256gcm16-prfsha384-ecp384"},
		ESP:            []string{"aes256gcm16"},
		Start:          true,
	}
}

// Peer is the same tunnel as the other end is told about it, which waits where
// this one starts.
func (e End) Peer() End {
	p := e
	p.Local, p.Remote = e.Remote, e.Local
	p.LocalIdentity, p.RemoteIdentity = e.RemoteIdentity, e.LocalIdentity
	p.LocalNetworks, p.RemoteNetworks = e.RemoteNetworks, e.LocalNetworks
	p.Start, p.OnTraffic, p.Proof = !e.Start, false, nil
	p.IKEKeys, p.SwanKeys, p.PlutoKeys, p.SwanTop, p.SwanDaemon, p.Also = nil, nil, nil, nil, nil, nil
	return p
}

// Proof is one end's authentication, for whoever runs it.
type Proof struct {
	// Files are written to the end's directory: for strongSwan, swanctl's.
	Files map[string][]byte
	// Auth is the mapping behind auth, which this project's gateway reads.
	Auth string
	// Local and Remote are lines of strongSwan's sections of these names.
	Local, Remote []string
}
