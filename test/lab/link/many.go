package link

import (
	"fmt"
	"net/netip"
	"time"
)

// MostMany is how many connections have networks in Many.
const MostMany = 16384

// Many gives both ends of so many connections between the sites of Pair, each with
// identities and networks of its own. End A starts them.
func Many(count int) (a, b []End) {
	for i := range count {
		end, _ := Pair()
		end.Name = fmt.Sprintf("c%d", i)
		end.LocalIdentity, end.RemoteIdentity = end.Name+".a.example", end.Name+".b.example"
		third, fourth := byte(i>>8), byte(i)
		end.LocalNetworks = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 64 + third, fourth, 0}), 24)}
		end.RemoteNetworks = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 128 + third, fourth, 0}), 24)}
		end.DPD = time.Minute
		a, b = append(a, end), append(b, end.Peer())
	}
	return a, b
}
