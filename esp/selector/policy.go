package selector

import "net/netip"

// Flow is what a policy looks at in one packet.
type Flow struct {
	Src, Dst         netip.Addr
	Protocol         uint8
	SrcPort, DstPort uint16
	// Ports says that the ports are known; they are not in a fragment other
	// than the first, or when the protocol has none.
	Ports bool
}

// Policy is the pair of lists of one Child SA, compiled.
type Policy struct{ local, remote List }

// Compile prepares the lists for judging packets.
func Compile(local, remote List) *Policy { return &Policy{local, remote} }

// Outbound reports whether a packet from us to the peer is within the policy.
func (p *Policy) Outbound(f *Flow) bool { return false }

// Inbound reports whether a packet from the peer to us is within the policy.
func (p *Policy) Inbound(f *Flow) bool { return false }

// Local returns the list of our side.
func (p *Policy) Local() List { return p.local }

// Remote returns the list of the peer's side.
func (p *Policy) Remote() List { return p.remote }
