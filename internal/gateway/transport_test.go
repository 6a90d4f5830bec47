package gateway

import (
	"errors"
	"net/netip"
	"testing"

	"causeway/ike"
)

// outbox is a transport that sends what is not empty.
type outbox struct{ ike.Transport }

func (outbox) SendIKE(b []byte, _, _ netip.AddrPort) error {
	if len(b) == 0 {
		return errors.New("nothing to send")
	}
	return nil
}

func (o outbox) SendProbe(b []byte, local, remote netip.AddrPort) error {
	return o.SendIKE(b, local, remote)
}

// TestIKEIsCharged: what was sent is counted with its marker, and nothing else.
func TestIKEIsCharged(t *testing.T) {
	peer := netip.MustParseAddrPort("192.0.2.9:4500")
	total := 0
	transport := chargedTransport{outbox{}, 4500, func(bytes int, _, remote netip.AddrPort) {
		if remote != peer {
			t.Errorf("to %v", remote)
		}
		total += bytes
	}}
	for _, c := range []struct {
		bytes int
		local string
		want  int
	}{{100, "192.0.2.1:500", 100}, {200, "192.0.2.1:4500", 204}, {0, "192.0.2.1:4500", 0}} {
		for _, send := range []func([]byte, netip.AddrPort, netip.AddrPort) error{transport.SendIKE, transport.SendProbe} {
			total = 0
			err := send(make([]byte, c.bytes), netip.MustParseAddrPort(c.local), peer)
			if total != c.want || (err == nil) != (c.bytes > 0) {
				t.Errorf("%d bytes from %s: %d are counted, want %d; %v", c.bytes, c.local, total, c.want, err)
			}
		}
	}
}
