package tunnel

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"causeway/esp"
)

const (
	udpHeaderLen = 8

	// The inner MTU never falls below these, whatever the path says: IPv6
	// has no smaller links (RFC 8200 §5), IPv4 hosts need not take more
	// (RFC 1122 §3.3.3).
	minMTU4 = 576
	minMTU6 = 1280

	// pathMTULifetime is how long a lowered path MTU is believed (RFC 1191
	// §6.3 recommends 10 minutes before trying a larger one).
	pathMTULifetime = 10 * time.Minute

	defaultOuterMTU = 1500
)

// plateaus are the path MTUs to try below one that was too large, when the
// kernel does not know better: RFC 1191 §7.1, with what PPPoE and common
// tunnels leave of 1500.
var plateaus = [...]int{32000, 17914, 8900, 4352, 2002, 1492, 1480, 1450, 1420, 1400, 1360, 1280, 1006, 576}

// leastMTU is what every path to remote carries.
func leastMTU(remote netip.AddrPort) int {
	if remote.Addr().Is6() {
		return minMTU6
	}
	return minMTU4
}

// encapsulation is the length of the outer headers in front of ESP to remote.
func encapsulation(remote netip.AddrPort) int {
	n := ipv4HeaderLen
	if remote.Addr().Is6() {
		n = ipv6HeaderLen
	}
	if bare(remote) {
		return n
	}
	return n + udpHeaderLen
}

// InnerMTU is the largest inner packet that ESP of these algorithms in UDP
// carries in one outer IP packet of outerMTU bytes: 1438 for AES-GCM at 1500
// over IPv4. It is 0 when not even an empty one fits.
func InnerMTU(outerMTU int, v6 bool, cipher esp.Cipher, integrity esp.Integrity) (int, error) {
	headers := ipv4HeaderLen + udpHeaderLen
	if v6 {
		headers = ipv6HeaderLen + udpHeaderLen
	}
	payload, err := esp.MaxPayload(cipher, integrity, outerMTU-headers)
	if err != nil {
		return 0, fmt.Errorf("tunnel: no inner MTU: %w", err)
	}
	return max(payload, 0), nil
}

// pathMTU is the outer path MTU of a connection while it is lower than the
// configured one: learnt from the local kernel's EMSGSIZE, and from ICMP that
// proves to be about packets of ours (pathError).
type pathMTU struct {
	outer atomic.Int32 // 0: as configured
	until atomic.Int64 // Tunnel.now after which outer is forgotten
}

// load is the lowered MTU, or 0.
func (p *pathMTU) load(now time.Duration) int {
	outer := p.outer.Load()
	if outer != 0 && now > time.Duration(p.until.Load()) {
		p.outer.CompareAndSwap(outer, 0)
		return 0
	}
	return int(outer)
}

// lower learns that outer was too large a packet. known is what the kernel
// believes instead, 0 if it does not say.
func (p *pathMTU) lower(now time.Duration, outer, known int) {
	if known <= 0 || known >= outer {
		known = minMTU4
		for _, plateau := range plateaus {
			if plateau < outer {
				known = plateau
				break
			}
		}
	}
	if current := p.load(now); current != 0 && current <= known {
		return
	}
	p.until.Store(int64(now + pathMTULifetime))
	p.outer.Store(int32(known))
}

// innerMTU is the largest packet of the IP version that may enter the SA now.
func (c *outboundSA) innerMTU(now time.Duration, version uint8) int {
	inner := c.mtu
	if outer := c.conn.path.load(now); outer != 0 {
		inner = min(inner, c.out.MaxPayload(outer-encapsulation(c.remote)))
	}
	if version == 6 {
		return max(inner, minMTU6)
	}
	return max(inner, minMTU4)
}

// childMTU is the inner MTU of a new SA: what its overhead leaves of the outer
// MTU, within what the TUN device was set to.
func (t *Tunnel) childMTU(out *esp.Outbound, remote netip.AddrPort) int {
	mtu := out.MaxPayload(t.cfg.OuterMTU - encapsulation(remote))
	if t.cfg.InnerMTU > 0 {
		mtu = min(mtu, t.cfg.InnerMTU)
	}
	return max(mtu, minMTU4)
}
