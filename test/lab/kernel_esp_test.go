package lab

import (
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/roots"
	"causeway/test/lab/strongswan"
)

// TestKernelESP has a strongSwan whose ESP is the kernel's.
func TestKernelESP(t *testing.T) {
	s, guest := newMachineScene(t)
	a, b := link.Pair()
	d := s.strongswanAt(guest.In(roots.Trixie), strongswan.Kernel, b)
	g := s.causeway(s.GatewayA, a)
	s.up(g)
	s.pingBoth(a)
	s.agree(g, d, a, b)
}
