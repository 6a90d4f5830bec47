package lab

import (
	"net/netip"
	"testing"

	"causeway/test/lab/link"
)

// refusalsv1 are mistakes in the configuration of strongSwan, and the reason that
// our end gives in either role; none where strongSwan does not mind.
var refusalsv1 = []struct {
	name                 string
	ours                 func(*link.End) // what our end is told first
	mistake              func(*link.End)
	initiator, responder said
}{
	{name: "key", mistake: func(e *link.End) { e.PSK = "a key that nobody else in the laboratory knows" },
		initiator: said{reason: "authentication_failed", message: "the pre-shared keys differ", hint: "compare the key"},
		responder: said{reason: "authentication_failed", message: "pre-shared key is another one", hint: "compare the key"}},
	{name: "its identity", mistake: func(e *link.End) { e.LocalIdentity = "c.lab.example" },
		responder: said{reason: "identity_mismatch", local: "b.lab.example", remote: "c.lab.example"}},
	{name: "our identity", mistake: func(e *link.End) { e.RemoteIdentity = "c.lab.example" },
		initiator: said{reason: "authentication_failed", message: "refuses our identity", hint: "local.identity", local: "a.lab.example"}},
	{name: "IKE cipher", mistake: func(e *link.End) { e.IKE = []string{"aes128-sha256-modp2048"} },
		initiator: said{reason: "proposal_mismatch"}, responder: said{reason: "proposal_mismatch", message: "encryption", remote: "aes128-sha256-modp2048"}},
	{name: "IKE hash", mistake: func(e *link.End) { e.IKE = []string{"aes256-sha1-modp2048"} },
		initiator: said{reason: "proposal_mismatch"}, responder: said{reason: "proposal_mismatch"}},
	{name: "IKE group", mistake: func(e *link.End) { e.IKE = []string{"aes256-sha256-modp3072"} },
		initiator: said{reason: "proposal_mismatch"}, responder: said{reason: "proposal_mismatch"}},
	{name: "ESP cipher", mistake: func(e *link.End) { e.ESP = []string{"aes128gcm16"} },
		initiator: said{reason: "proposal_mismatch"}, responder: said{reason: "proposal_mismatch"}},
	{name: "ESP hash", mistake: func(e *link.End) { e.ESP = []string{"aes256-sha256"} },
		ours:      func(e *link.End) { e.ESP = []string{"aes256-sha1"} },
		initiator: said{reason: "proposal_mismatch"}, responder: said{reason: "proposal_mismatch"}},
	{name: "PFS only there", mistake: func(e *link.End) { e.ESP = []string{"aes256gcm16-modp2048"} },
		initiator: said{reason: "proposal_mismatch"}, responder: said{reason: "proposal_mismatch"}},
	{name: "PFS only here", mistake: func(e *link.End) { e.ESP = []string{"aes256gcm16"} },
		ours:      func(e *link.End) { e.ESP = []string{"aes256gcm16-modp2048"} },
		initiator: said{reason: "proposal_mismatch"}, responder: said{reason: "proposal_mismatch"}},
	{name: "PFS group", mistake: func(e *link.End) { e.ESP = []string{"aes256gcm16-modp3072"} },
		ours:      func(e *link.End) { e.ESP = []string{"aes256gcm16-modp2048"} },
		initiator: said{reason: "proposal_mismatch"}, responder: said{reason: "proposal_mismatch"}},
	{name: "selectors", mistake: func(e *link.End) { e.LocalNetworks = []netip.Prefix{netip.MustParsePrefix("10.2.99.0/24")} },
		initiator: said{reason: "selector_mismatch"}, responder: said{reason: "selector_mismatch"}},
	{name: "mode", mistake: func(e *link.End) { e.SwanKeys = []string{"aggressive = yes"} },
		initiator: said{reason: "authentication_failed", hint: "whether it wants Aggressive Mode"},
		responder: said{reason: "refused", message: "asks for Aggressive Mode", local: "Main Mode", remote: "Aggressive Mode"}},
	{name: "version", mistake: func(e *link.End) { e.Version = 2 },
		// strongSwan says NO-PROPOSAL-CHOSEN to an offer of IKEv1.
		initiator: said{reason: "proposal_mismatch", hint: "a connection of IKEv1"},
		responder: said{reason: "version_mismatch", local: "ike.version: 1", remote: "IKEv2"}},
}

// TestIKEv1Refused: whatever differs between the ends is told at ours.
func TestIKEv1Refused(t *testing.T) {
	t.Parallel()
	for _, r := range refusalsv1 {
		for _, role := range []string{"initiator", "responder"} {
			want := r.responder
			if role == "initiator" {
				want = r.initiator
			}
			if want.reason == "" {
				continue
			}
			t.Run(role+"/"+r.name, func(t *testing.T) {
				s := newScene(t)
				a := pairv1()
				a.Start = role == "initiator"
				if r.ours != nil {
					r.ours(&a)
				}
				b := a.Peer()
				r.mistake(&b)
				if role == "initiator" {
					s.strongswan(s.GatewayB, b)
				}
				g := s.causeway(s.GatewayA, a)
				if role == "responder" {
					s.strongswan(s.GatewayB, b)
				}
				want.check(t, s.failure(g, link.Name, want.reason))
			})
		}
	}
}
