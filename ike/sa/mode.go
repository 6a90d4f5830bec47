package sa

import (
	"net/netip"

	"causeway/esp/selector"
)

// Mode is how a Child SA encapsulates (RFC 4301 §4.1).
type Mode uint8

// The modes that a connection may want.
const (
	// ModeTunnel carries whole packets.
	ModeTunnel Mode = iota
	// ModeTransport carries what follows the IP header, between the two outer
	// addresses, and nothing else will do.
	ModeTransport
	// ModePreferTransport is transport mode where the peer agrees, else tunnel mode
	// for the same traffic.
	ModePreferTransport
)

// Transport is what a Child SA in transport mode needs besides. Immutable.
type Transport struct {
	// OriginalLocal and OriginalRemote are our address and the peer's as the peer
	// has them. Where a NAT is they are others than ours, and those that the peer
	// computes checksums with (RFC 3948 §3.1.2).
	OriginalLocal, OriginalRemote netip.Addr
}

// Mode is the name of the mode that the two ends agreed on.
func (c *Child) Mode() string {
	if c.Transport != nil {
		return "transport"
	}
	return "tunnel"
}

// At is what to negotiate between two outer addresses. In transport mode, those
// are all that Local and Remote stand for: they say which protocols.
func (c ChildSettings) At(local, remote netip.Addr) (l, r selector.List) {
	if c.Mode == ModeTunnel {
		return c.Local, c.Remote
	}
	return c.Local.Narrow(host(local)), c.Remote.Narrow(host(remote))
}

func host(a netip.Addr) selector.List {
	a = a.Unmap().WithZone("")
	return selector.List{selector.FromPrefix(netip.PrefixFrom(a, a.BitLen()))}
}

// Same reports whether two ask for the same.
func (c ChildSettings) Same(o ChildSettings) bool {
	return c.Name == o.Name && c.Mode == o.Mode && c.Local.Equal(o.Local) && c.Remote.Equal(o.Remote)
}

// TakesTransport and TakesTunnel say which modes will do.
func (c ChildSettings) TakesTransport() bool { return c.Mode != ModeTunnel }

// TakesTunnel is beside TakesTransport.
func (c ChildSettings) TakesTunnel() bool { return c.Mode != ModeTransport }

// ModeMismatch explains that the two ends do not want the same mode; what is the
// message.
func ModeMismatch(what string, local, remote string) *Failure {
	return &Failure{
		Reason: ReasonModeMismatch, Message: what, Local: local + " mode", Remote: remote + " mode",
		Hint: "set the same mode at both ends, or esp.mode: prefer-transport here to take either",
	}
}

// SoleAddress is the one address that a list of selectors is about, as those of
// transport mode are (RFC 7296 §2.23.1); false if there are several.
func SoleAddress(l selector.List) (netip.Addr, bool) {
	var sole netip.Addr
	for _, s := range l {
		if s.Start != s.End || sole.IsValid() && s.Start != sole {
			return netip.Addr{}, false
		}
		sole = s.Start
	}
	return sole, sole.IsValid()
}

// Substitute puts another address in the place of the one that the selectors are
// about.
func Substitute(l selector.List, a netip.Addr) selector.List {
	a = a.Unmap().WithZone("")
	out := make(selector.List, len(l))
	for i, s := range l {
		s.Start, s.End = a, a
		out[i] = s
	}
	return out
}
