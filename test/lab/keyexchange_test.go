package lab

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/roots"
	"causeway/test/lab/strongswan"
)

// TestKeyExchange is ML-KEM and additional key exchanges (RFC 9370) with
// strongSwan 6.1: in a new IKE SA, and in the rekeys of IKE SA and Child SA by
// either end.
func TestKeyExchange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, ike, esp string
		starts         bool
	}{
		{"mlkem768", "aes256gcm16-prfsha384-mlkem768", "aes256gcm16-mlkem1024", true},
		{"mlkem512", "aes256gcm16-prfsha256-mlkem512", "aes256gcm16-mlkem512", false},
		{"additional initiator", "aes256gcm16-prfsha384-x25519-ke1_mlkem768", "aes256gcm16-x25519-ke1_mlkem768", true},
		{"additional responder", "aes256gcm16-prfsha384-x25519-ke1_mlkem768", "aes256gcm16-x25519-ke1_mlkem768", false},
		{"three initiator", "aes256-sha256-ecp384-ke1_mlkem1024-ke3_x25519", "aes256-sha256-ecp384-ke1_mlkem512-ke2_x25519", true},
		{"three responder", "aes256-sha256-ecp384-ke1_mlkem1024-ke3_x25519", "aes256-sha256-ecp384-ke1_mlkem512-ke2_x25519", false},
		{"x448", "aes256gcm16-prfsha384-x448", "aes256gcm16-x448", true},
	} {
		t.Run(c.name, func(t *testing.T) { rekeyedKeyExchange(t, c.ike, c.esp, c.starts) })
	}
}

func rekeyedKeyExchange(t *testing.T, ike, esp string, starts bool) {
	s := newScene(t)
	a, _ := link.Pair()
	a.IKE, a.ESP, a.Start = []string{ike}, []string{esp}, starts
	b := a.Peer()
	where := s.in(roots.Forky, s.GatewayB)
	g := s.causeway(s.GatewayA, a)
	d := s.strongswanAt(where, strongswan.Userspace, b)
	s.up(g)
	s.pingBoth(a)
	for _, by := range []func() error{
		func() error { _, err := g.Command(s.ctx, "rekey", link.Name, "--child"); return err },
		func() error { _, err := g.Command(s.ctx, "rekey", link.Name, "--ike"); return err },
		func() error { return d.RekeyChild(s.ctx) },
		func() error { return d.RekeyIKE(s.ctx) },
	} {
		before := s.status(g, link.Name)
		s.must(by())
		s.eventually("something to be replaced", func() error { return replaced(before, s.status(g, link.Name)) })
		s.pingBoth(a)
	}
	if theirs := s.swanUp(d, 1); theirs.SPIi != s.status(g, link.Name).IKE.SPIi {
		t.Errorf("the IKE SA of strongSwan is %s, ours %s", theirs.SPIi, s.status(g, link.Name).IKE.SPIi)
	}
	if strings.Contains(ike, "ke1_") {
		ours, err := os.ReadFile(filepath.Join(s.Dir, "causeway-gateway-a.log"))
		s.must(err)
		for _, exchange := range []string{"IKE_INTERMEDIATE", "IKE_FOLLOWUP_KE"} {
			if !strings.Contains(string(ours), exchange) {
				t.Errorf("there was no %s", exchange)
			}
		}
	}
}

// replaced tells when SAs of another time are there, and none but one pair.
func replaced(before, after *gateway.Connection) error {
	switch {
	case after.State != "up" || after.IKE == nil || len(after.Children) != 1 || len(before.Children) != 1:
		return errors.New(describe(after))
	case after.IKE.SPIi == before.IKE.SPIi && after.Children[0].SPIIn == before.Children[0].SPIIn:
		return errors.New("nothing is replaced yet")
	}
	return nil
}
