package gateway

import (
	"fmt"

	"causeway/config"
	"causeway/ike/transform"
	"causeway/routing/kernel"
	"causeway/tunnel"
)

// standardMTU is Ethernet's: the outer MTU where nothing better is known.
const standardMTU = 1500

// leastMTU is what every host must take (RFC 791); the configuration allows no
// less.
const leastMTU = 576

// outerMTU is the smallest that an interface or a route gives towards a
// configured peer. What is smaller on the way the data path finds out by itself.
func (g *Gateway) outerMTU(cfg *config.Config) int {
	smallest := 0
	for _, c := range cfg.Connections {
		for _, a := range c.Remote.Addresses {
			if !a.IP.IsValid() {
				continue
			}
			local, err := g.conns.LocalAddr(a.IP)
			if err != nil {
				continue
			}
			mtu, err := kernel.PathMTU(local, a.IP)
			if err == nil && mtu > 0 && (smallest == 0 || mtu < smallest) {
				smallest = mtu
			}
		}
	}
	if smallest == 0 {
		return standardMTU
	}
	return smallest
}

// deviceMTU is the interface's MTU: the configured one, or the smallest that
// any connection's first proposal leaves of the outer MTU. A connection that
// ends up with more overhead answers packets that are too big with ICMP.
func deviceMTU(cfg *config.Config, outer int) (int, error) {
	if cfg.Gateway.Interface.MTU != 0 {
		return cfg.Gateway.Interface.MTU, nil
	}
	smallest := 0
	for _, c := range cfg.Connections {
		_, offered, err := algorithmsOf(c)
		if err != nil {
			return 0, err
		}
		mtu, err := innerMTU(outer, mayBeIPv6(c.Remote), offered[0])
		if err != nil {
			return 0, err
		}
		if c.ESP.Mode == config.TransportMode {
			mtu += tunnel.HeaderLen(mayBeIPv6(c.Remote)) // which is the outer header
		}
		if smallest == 0 || mtu < smallest {
			smallest = mtu
		}
	}
	if smallest == 0 {
		return innerMTU(outer, false, transform.DefaultESPProposals()[0])
	}
	return smallest, nil
}

func mayBeIPv6(r config.Remote) bool {
	for _, a := range r.Addresses {
		if a.IP.Is6() {
			return true
		}
	}
	return false
}

// innerMTU is what the suite that a proposal prefers leaves of the outer MTU.
func innerMTU(outer int, v6 bool, p transform.Proposal) (int, error) {
	suite, _, err := transform.MatchIgnoringGroup(transform.ESP, []transform.Proposal{p}, []transform.Proposal{p})
	if err != nil {
		return 0, err
	}
	mtu, err := tunnel.InnerMTU(outer, v6, espCiphers[suite.Encryption.ID], espIntegrity[suite.Integrity.ID])
	if err == nil && mtu < leastMTU {
		err = fmt.Errorf("gateway: the outer MTU of %d leaves only %d bytes for inner packets; set gateway.interface.mtu", outer, mtu)
	}
	return mtu, err
}
