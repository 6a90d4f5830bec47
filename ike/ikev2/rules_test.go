package ikev2

import (
	"testing"

	"causeway/ike/wire"
)

// As many certificates as the rule says are taken in IKE_AUTH, in both directions, which is
// four and more, and no more than those (RFC 7296 §3.6).
func TestCertificatesOfAChain(t *testing.T) {
	for _, response := range []bool{false, true} {
		for n, taken := range map[int]bool{4: true, maxCertificates: true, maxCertificates + 1: false} {
			msg := &message{Header: wire.Header{Exchange: wire.ExchangeIKEAuth}}
			if response {
				msg.Flags = wire.FlagResponse
			}
			msg.Payloads = []wire.Payload{&wire.Identification{Initiator: !response}, &wire.Authentication{}}
			for range n {
				msg.Payloads = append(msg.Payloads, &wire.Certificate{})
			}
			if err := checkPayloads(msg); (err == nil) != taken {
				t.Errorf("%d certificates, in an answer %v: %v", n, response, err)
			}
		}
	}
	if maxCertificates < 4 {
		t.Error("a chain of four is refused")
	}
}
