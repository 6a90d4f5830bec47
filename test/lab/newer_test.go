package lab

import (
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/roots"
	"causeway/test/lab/strongswan"
)

// TestNewerStrongSwan is strongSwan of later Debian suites, with its userspace ESP.
func TestNewerStrongSwan(t *testing.T) {
	for _, root := range []string{roots.Trixie, roots.Forky} {
		t.Run(root, func(t *testing.T) {
			s := newScene(t)
			a, b := link.Pair()
			d := s.strongswanAt(s.in(root, s.GatewayB), strongswan.Userspace, b)
			g := s.causeway(s.GatewayA, a)
			s.up(g)
			s.pingBoth(a)
			s.agree(g, d, a, b)
		})
	}
}
