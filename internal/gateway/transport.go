package gateway

import (
	"net/netip"

	"causeway/ike"
	"causeway/tunnel/udp"
)

// chargedTransport is ike.Transport over the sockets. What it sends uses the
// gateway's bandwidth.
type chargedTransport struct {
	ike.Transport
	natPort uint16
	// sent hears of the UDP payload of each message.
	sent func(bytes int, local, remote netip.AddrPort)
}

// SendIKE implements ike.Transport.
func (c chargedTransport) SendIKE(b []byte, local, remote netip.AddrPort) error {
	return c.charge(c.Transport.SendIKE(b, local, remote), b, local, remote)
}

// SendProbe implements ike.Transport.
func (c chargedTransport) SendProbe(b []byte, local, remote netip.AddrPort) error {
	return c.charge(c.Transport.SendProbe(b, local, remote), b, local, remote)
}

// charge counts a message unless it could not be sent.
func (c chargedTransport) charge(err error, b []byte, local, remote netip.AddrPort) error {
	if err != nil {
		return err
	}
	bytes := len(b)
	if local.Port() == c.natPort {
		bytes += udp.MarkerSize
	}
	c.sent(bytes, local, remote)
	return nil
}
