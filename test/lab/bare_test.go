package lab

import (
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// espInUDP takes ESP, and not IKE with its marker of zeros (RFC 3948 §2.2).
const espInUDP = "ip and udp port 4500 and udp[8:4] != 0 or ip6 proto 17 and ip6[42:2] = 4500 and ip6[48:4] != 0"

// TestBareTunnel is ESP without UDP in tunnel mode between two of our gateways,
// over either IP and with each data path. Nothing is in UDP on the way.
func TestBareTunnel(t *testing.T) {
	t.Parallel()
	for _, dataPath := range []string{"native", "portable"} {
		for _, six := range []bool{false, true} {
			t.Run(dataPath+map[bool]string{false: ", IPv4", true: ", IPv6"}[six], func(t *testing.T) {
				s := newScene(t)
				a, _ := link.Pair()
				a.DataPath, a.Bare = dataPath, true
				if six {
					a = outer6(a)
				}
				inUDP := s.sniff(s.Router, "any", "udp", 1, espInUDP)
				bare := s.sniff(s.Router, "any", "bare", 1000, "ip proto 50 or ip6 proto 50")
				right := s.causeway(s.GatewayB, a.Peer())
				left := s.causeway(s.GatewayA, a)
				s.up(right)
				if c := s.up(left); c.Children[0].Mode != "tunnel" || c.Children[0].Encapsulation != "none" {
					t.Errorf("the Child SA is %+v", c.Children[0])
				}
				s.pingBoth(a)
				there := world.ClientIn(a.RemoteNetworks[1])
				for _, size := range []string{"1300", "1400", "4000", "20000"} {
					s.ping(s.ClientA, there, 3, "-s", size)
				}
				s.transferBoth(transportSize)
				s.must(s.transfer(s.ClientA, s.ClientB, there, transportSize))
				s.must(right.RekeyChild(s.ctx))
				s.pingBoth(a)
				s.noDrops(left)
				s.noDrops(right)
				bare.found(s.patience)
				if inUDP.process.Running() != nil {
					t.Errorf("in UDP: %s", world.Tail(inUDP.process.Log, 5))
				}
			})
		}
	}
}
