package lab

import (
	"testing"

	"causeway/test/lab/link"
)

func TestInitiator(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	d := s.strongswan(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	s.up(g)
	s.pingBoth(a)
	s.swanUp(d, 1)
}
