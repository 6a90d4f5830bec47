package tunnel

import (
	"fmt"
	"net/netip"
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

	defaultOuterMTU = 1500
)

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

// HeaderLen is the length of the IP header that transport mode does not carry twice.
func HeaderLen(v6 bool) int {
	if v6 {
		return ipv6HeaderLen
	}
	return ipv4HeaderLen
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

// fits is the largest packet that the path carries in the SA now, in one piece.
func (c *outboundSA) fits(now time.Duration) int {
	if outer := c.conn.path.load(now); outer != 0 {
		return min(c.mtu, c.out.MaxPayload(outer-encapsulation(c.remote))+c.transport.headerLen())
	}
	return c.mtu
}

// innerMTU is the largest packet of the IP version that may enter an SA in which so
// much fits. What is between the two is cut after it was sealed: its sender need not
// make it smaller (RFC 2473 §7.1).
func innerMTU(fits int, version uint8) int {
	if version == 6 {
		return max(fits, minMTU6)
	}
	return max(fits, minMTU4)
}

// childMTU is the inner MTU of a new SA: what its overhead leaves of the outer
// MTU, within what the TUN device was set to. In transport mode, inner packets have
// no header but the outer one.
func (t *Tunnel) childMTU(out *esp.Outbound, remote netip.AddrPort, mode *transportMode) int {
	mtu := out.MaxPayload(t.cfg.OuterMTU-encapsulation(remote)) + mode.headerLen()
	if t.cfg.InnerMTU > 0 {
		mtu = min(mtu, t.cfg.InnerMTU)
	}
	return mtu
}
