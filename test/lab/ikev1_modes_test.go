package lab

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
	"causeway/test/pki"
)

// TestIKEv1OldAlgorithms is what only devices of the last century need, begun by
// either end.
func TestIKEv1OldAlgorithms(t *testing.T) {
	t.Parallel()
	for _, shape := range []struct{ name, ike, esp string }{
		{"3des", "3des-sha1-modp1024", "3des-sha1"},
		{"3des with sha2 and pfs", "3des-sha256-modp1536", "3des-sha256-modp1024"},
	} {
		a := pairv1()
		a.IKE, a.ESP = []string{shape.ike}, []string{shape.esp}
		t.Run("initiator/"+shape.name, func(t *testing.T) { newScene(t).joined(a, a.Peer()) })
		t.Run("responder/"+shape.name, func(t *testing.T) {
			b := a
			b.Start = false
			newScene(t).joined(b, b.Peer())
		})
	}
}

// TestIKEv1Aggressive is Aggressive Mode, begun by either end, with a key and with
// certificates.
func TestIKEv1Aggressive(t *testing.T) {
	t.Parallel()
	p := newAuthority()
	for _, start := range []bool{true, false} {
		role := "responder"
		if start {
			role = "initiator"
		}
		for _, certified := range []bool{false, true} {
			name := role + "/psk"
			if certified {
				name = role + "/certificates"
			}
			t.Run(name, func(t *testing.T) {
				a := pairv1()
				a.Start = start
				b := a.Peer()
				a.IKEKeys, b.SwanKeys = []string{"aggressive: true"}, []string{"aggressive = yes"}
				if certified {
					a.Proof = p.ours(p.sub.Issue("a", pki.RSA(2048, 0), pki.Names(a.LocalIdentity)), "")
					b.Proof = p.theirs(p.sub.Issue("b", pki.RSA(2048, 1), pki.Names(b.LocalIdentity)), "pubkey")
				}
				newScene(t).joined(a, b)
			})
		}
	}
}

// TestIKEv1Fragments: certificates make messages longer than a datagram may be, so
// they go in fragments of Cisco's kind, both ways.
func TestIKEv1Fragments(t *testing.T) {
	t.Parallel()
	p := newAuthority()
	for _, role := range []string{"initiator", "responder"} {
		t.Run(role, func(t *testing.T) {
			s := newScene(t)
			a := pairv1()
			a.Start = role == "initiator"
			a.FragmentSize = 576
			b := a.Peer()
			a.Proof = p.ours(p.sub.Issue("a", pki.RSA(2048, 0), pki.Names(a.LocalIdentity)), "")
			b.Proof = p.theirs(p.sub.Issue("b", pki.RSA(2048, 1), pki.Names(b.LocalIdentity)), "pubkey")
			_, d := s.joined(a, b)
			log, err := os.ReadFile(d.Log())
			s.must(err)
			for _, want := range []string{"received fragment #2", "splitting IKE message"} {
				if !strings.Contains(string(log), want) {
					t.Errorf("strongSwan's log has no %q", want)
				}
			}
		})
	}
}

// loginSecret is the password of alice, who logs in with XAUTH.
const loginSecret = "correct horse battery staple 42"

// TestIKEv1LoginAtStrongSwan: our gateway logs in, and gets an address, from which
// it reaches the other site.
func TestIKEv1LoginAtStrongSwan(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]string{"main mode": "aggressive: false", "aggressive mode": "aggressive: true"} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			a := pairv1()
			b := a.Peer()
			given := a.LocalNetworks[0].Addr().Next().Next().Next()
			b.SwanKeys = []string{"aggressive = yes", "pools = addresses", "remote-xauth {", "round = 2", "auth = xauth", "}"}
			b.SwanTop = []string{"pools {", "addresses {", "addrs = " + given.String() + "/32", "}", "}",
				"secrets {", "xauth-alice {", "id = alice", `secret = "` + loginSecret + `"`, "}", "}"}
			if name == "main mode" {
				b.SwanKeys[0] = "aggressive = no"
			}
			a.LocalNetworks, a.PolicyBased = nil, false
			a.IKEKeys = []string{keys, "mode_config: request"}
			a.Proof = &link.Proof{Auth: fmt.Sprintf("{psk: %q, xauth: {user: alice, password_file: password}}", a.PSK),
				Files: map[string][]byte{"password": []byte(loginSecret + "\n")}}
			s.strongswan(s.GatewayB, b)
			g := s.causeway(s.GatewayA, a)
			s.up(g)
			s.ping(s.GatewayA, world.ClientIn(a.RemoteNetworks[0]), 5, "-I", given.String())
		})
	}
}

// TestIKEv1LoginOfStrongSwan: strongSwan logs in at our gateway, gets an address,
// and reaches our site from it.
func TestIKEv1LoginOfStrongSwan(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"assign", "push"} {
		t.Run(mode, func(t *testing.T) {
			s := newScene(t)
			a := pairv1()
			a.Start = false
			given := a.RemoteNetworks[0].Addr().Next().Next().Next()
			a.RemoteNetworks = []netip.Prefix{netip.PrefixFrom(given, 32)}
			b := a.Peer()
			b.Start = false // a loaded machine may need another try, which a connection that starts does not make
			a.IKEKeys = []string{"mode_config: " + mode}
			a.Keys = "mode: respond-only"
			a.Proof = &link.Proof{Auth: fmt.Sprintf("{psk: %q, xauth: {users: users}}", a.PSK),
				Files: map[string][]byte{"users": []byte("# who may\nalice:" + loginSecret + "\n")}}
			b.SwanKeys = []string{"vips = 0.0.0.0", "local-xauth {", "round = 2", "auth = xauth", "xauth_id = alice", "}"}
			if mode == "push" {
				b.SwanKeys = append(b.SwanKeys, "pull = no")
			}
			b.SwanTop = []string{"secrets {", "xauth-alice {", "id = alice", `secret = "` + loginSecret + `"`, "}", "}"}
			g := s.causeway(s.GatewayA, a)
			d := s.strongswan(s.GatewayB, b)
			for range 3 {
				if err := s.bounded(d.Initiate); err == nil {
					break
				} else {
					t.Logf("strongSwan: %v", err)
				}
			}
			s.up(g)
			s.ping(s.GatewayB, world.ClientIn(a.LocalNetworks[0]), 5, "-I", given.String())
		})
	}
}
