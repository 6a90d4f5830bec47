package ikev1

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"causeway/esp/selector"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// A client is a peer that gets its address from us (Mode Config). Those of Cisco's
// kind, which show the vendor ID of Unity, ask for more: names, the networks behind
// us, a banner. They keep one Child SA for all traffic and choose by themselves what
// they send on it.

const (
	// mostSplit bounds the networks that a client is told of.
	mostSplit = 256
	// clientNonceLen is the length of a nonce for such a client: vpnc writes 20 octets
	// of its own over ours when it answers, and counts no more.
	clientNonceLen = 20
)

// tellClient is what a client gets to know: what it asks for, or with no question,
// address and netmask and name servers. It has an address from then on.
func (m *Machine) tellClient(asked []isakmp.Attribute) (out []isakmp.Attribute) {
	c := &m.settings.ModeConfig
	if asked == nil {
		asked = []isakmp.Attribute{{Type: isakmp.ConfigIPv4Address}, {Type: isakmp.ConfigIPv4Netmask}}
		if len(c.Client.DNS) > 0 {
			asked = append(asked, isakmp.Attribute{Type: isakmp.ConfigIPv4DNS})
		}
	}
	tell := func(t uint16, values ...[]byte) {
		for _, v := range values {
			out = append(out, isakmp.Attribute{Type: t, Value: v})
		}
	}
	told := map[uint16]bool{}
	for _, a := range asked {
		if told[a.Type] {
			continue
		}
		told[a.Type] = true
		switch a.Type {
		case isakmp.ConfigIPv4Address:
			tell(a.Type, m.assign(a.Value).AsSlice())
		case isakmp.ConfigIPv4Netmask:
			tell(a.Type, mask(c.Assign))
		case isakmp.ConfigIPv4DNS:
			tell(a.Type, octets(c.Client.DNS)...)
		case isakmp.ConfigIPv4NBNS:
			tell(a.Type, octets(c.Client.WINS)...)
		case isakmp.UnityDomain:
			tell(a.Type, text(c.Client.Domain)...)
		case isakmp.UnitySplitDNS:
			tell(a.Type, text(strings.Join(c.Client.SplitDNS, ","))...)
		case isakmp.UnityBanner:
			tell(a.Type, text(c.Client.Banner)...)
		case isakmp.UnitySplitInclude:
			if split := m.splitNetworks(); len(split) > 0 {
				tell(a.Type, split)
			}
		case isakmp.UnityPFS:
			out = append(out, isakmp.Short(a.Type, m.demandsPFS()))
		}
	}
	return out
}

func octets(list []netip.Addr) (out [][]byte) {
	for _, a := range list {
		out = append(out, a.AsSlice())
	}
	return out
}

func text(s string) [][]byte {
	if s == "" {
		return nil
	}
	return [][]byte{[]byte(s)}
}

// assign chooses the client's address: the one that it asks for, if that is ours to
// give, else the one that it has, else the lowest. Child SAs for another one end.
func (m *Machine) assign(asked []byte) netip.Addr {
	pool := m.settings.ModeConfig.Assign
	chosen, ok := netip.AddrFromSlice(asked)
	if !ok || !usable(pool, chosen) {
		if chosen = m.assigned; !usable(pool, chosen) {
			for chosen = pool.Masked().Addr(); !usable(pool, chosen); {
				chosen = chosen.Next()
			}
		}
	}
	m.give(chosen)
	return chosen
}

// give notes the address that one end gave the other.
func (m *Machine) give(a netip.Addr) {
	if m.assigned == a {
		return
	}
	m.assigned = a
	for _, c := range m.children {
		c.wantDelete = c.wantDelete || !m.wants(c)
	}
	m.emit(sa.AddressAssigned{Connection: m.settings.Name, Address: a, ToPeer: !m.settings.ModeConfig.Request})
}

// usable tells whether an address of a pool can be a host's: the first and last of a
// network are not.
func usable(pool netip.Prefix, a netip.Addr) bool {
	if !a.IsValid() || !pool.Contains(a) {
		return false
	}
	all := selector.FromPrefix(pool)
	return pool.Bits() >= 31 || a != all.Start && a != all.End
}

// splitNetworks are our networks as clients of Cisco's kind want them: each of
// address, mask, and six octets of protocol and ports, which are any. There are none
// if everything is ours.
func (m *Machine) splitNetworks() []byte {
	var out []byte
	for n, s := range m.everythingOurs() {
		p, ok := prefixOf(s)
		switch {
		case ok && p.Bits() == 0:
			return nil
		case ok && s.Is4() && n < mostSplit:
			out = append(append(append(out, s.Start.AsSlice()...), mask(p)...), make([]byte, 6)...)
		}
	}
	return out
}

// everythingOurs is our end of all Child SAs together.
func (m *Machine) everythingOurs() (out selector.List) {
	for _, w := range m.settings.Children {
		for _, s := range w.Local {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// demandsPFS is 1 where each Child SA needs a key exchange of its own, else 0.
func (m *Machine) demandsPFS() uint16 {
	for _, s := range combinations(transform.ESP, m.settings.ESPProposals) {
		if s.Group.ID == 0 {
			return 0
		}
	}
	return 1
}

// anywhere is what such a client asks for, whatever networks we have.
var anywhere = selector.List{selector.FromPrefix(netip.PrefixFrom(netip.IPv4Unspecified(), 0))}

// isClient tells whether the peer is a client of Cisco's kind.
func (s *ikeSA) isClient() bool {
	return s.peer.unity && s.m.settings.ModeConfig.Assign.IsValid()
}

// catchAll is the one Child SA of such a client: it asks for traffic with anywhere, and
// gets what is with our networks.
func (m *Machine) catchAll() (sa.ChildSettings, bool) {
	all := m.wanting()
	if !m.settings.ModeConfig.Assign.IsValid() || len(all) == 0 {
		return sa.ChildSettings{}, false
	}
	return sa.ChildSettings{Name: m.settings.Name, Local: m.everythingOurs(), Remote: all[0].Remote}, true
}

// forgetReplaced ends what c took the place of: such a client has but one Child SA, and
// that is gone.
func (m *Machine) forgetReplaced(c *child) {
	for _, o := range slices.Clone(m.children) {
		if o.same(c) && o.replaced {
			m.removeChild(o, ending{remote: true, replaced: true})
		}
	}
}

// meantTime is how soon after it made an ISAKMP SA a client deletes the old one.
const meantTime = 5 * time.Second

// meant is the ISAKMP SA that a client deletes which names this one. The vpnc of
// Debian 12 makes a new one, and then deletes the old by the name of the new.
func (s *ikeSA) meant() *ikeSA {
	if s.isClient() && s.state == established && s.m.now.Sub(s.establishedAt) < meantTime {
		for _, o := range s.m.sas {
			if o.state == superseded && o.isClient() {
				return o
			}
		}
	}
	return s
}

// forClient is how our Quick Mode replaces a Child SA of such a client, which takes one
// transform, the same as before, and a nonce as long as its own.
func (q *quick) forClient() {
	q.nonceI = q.nonceI[:clientNonceLen]
	if q.rekeys != nil && slices.Contains(q.suites, q.rekeys.Suite) {
		q.suites = []transform.Suite{q.rekeys.Suite}
	}
}
