package lab

import (
	"context"
	"net/netip"
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/roots"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// kernelBareTransfer goes each way by each IP inside: thousands of packets.
const kernelBareTransfer = 4 << 20

// kernelBareSuites have every form of ESP's header and trailer: an AEAD and a cipher
// with an integrity algorithm, of long and short ICVs, a stream and no cipher.
var kernelBareSuites = []string{"aes256gcm16-esn", "aes128gcm8-noesn", "chacha20poly1305-esn", "aes128ccm12-noesn", "aes256-sha512-esn", "aes128-sha1-noesn", "aes256gmac-esn"}

// TestKernelBareTunnel is ESP without UDP in tunnel mode against the kernel's ESP, over
// either IP and with each data path: transfers that are compared by hash, every kind
// of rekey under traffic, and suites of every form. Nothing is in UDP on the way.
func TestKernelBareTunnel(t *testing.T) {
	s, guest := newMachineScene(t)
	there := guest.In(roots.Trixie)
	for _, six := range []bool{false, true} {
		outer, proto := "IPv4", "ip proto 50"
		if six {
			outer, proto = "IPv6", "ip6 proto 50"
		}
		for _, dataPath := range []string{"native", "portable"} {
			s.sub(outer+", "+dataPath, func(s *scene) {
				a, _ := link.Pair()
				a.DataPath = dataPath
				a = bareOver(a, six)
				inUDP := s.sniff(s.Router, "any", "udp", 1, espInUDP)
				bare := s.sniff(s.Router, "any", "bare", 1000, proto)
				d := s.strongswanAt(there, strongswan.Kernel, a.Peer())
				g := s.causeway(s.GatewayA, a)
				s.up(g)
				s.swanUp(d, 1)
				s.pingBoth(a)
				s.transferBoth(kernelBareTransfer)
				here, inside := world.ClientIn(a.LocalNetworks[1]), world.ClientIn(a.RemoteNetworks[1])
				s.must(s.transfer(s.ClientA, s.ClientB, inside, kernelBareTransfer))
				s.must(s.transfer(s.ClientB, s.ClientA, here, kernelBareTransfer))
				for _, size := range []string{"1400", "4000"} {
					s.ping(s.ClientA, inside, 3, "-s", size)
				}
				for _, r := range rekeys {
					if dataPath == "native" {
						s.rekeyUnder(g, r.ike, r.child, func(ctx context.Context) error { return r.command(ctx, g, d) })
					}
				}
				s.agree(g, d, a, a.Peer())
				s.noDrops(g)
				bare.found(s.patience)
				if inUDP.process.Running() != nil {
					s.t.Errorf("in UDP: %s", world.Tail(inUDP.process.Log, 5))
				}
			})
		}
	}
	cases := bareCases()
	s.addNetworks(func(script string) error {
		_, err := there.Run(s.ctx, "sh", "-e", "-c", script)
		return err
	}, cases)
	ours, theirs := bothEnds(cases)
	d := s.strongswanAt(there, strongswan.Kernel, theirs...)
	s.eachSuite(s.causeway(s.GatewayA, ours...), d, cases)
}

func bareOver(e link.End, six bool) link.End {
	e.Bare = true
	if six {
		e = outer6(e)
	}
	return e
}

// bareCases are the suites over either IP, with either IP inside in turn.
func bareCases() (list []link.End) {
	for i, suite := range kernelBareSuites {
		for j, six := range []bool{false, true} {
			third := byte(100 + 2*i + j)
			a := bareOver(suiteCase(suite, third), six)
			a.Name += map[bool]string{false: "-4", true: "-6"}[six]
			a.LocalIdentity, a.RemoteIdentity = a.Name+".a.example", a.Name+".b.example"
			if (i+j)%2 == 1 {
				inside := func(site byte) []netip.Prefix {
					return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 1: site, 7: third}), 64)}
				}
				a.LocalNetworks, a.RemoteNetworks = inside(1), inside(2)
			}
			list = append(list, a)
		}
	}
	return list
}
