package ike

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// failOverBound is what docs/negotiation.md says of a peer with three addresses of which
// two are dead: a liveness interval of 30 s, a pause and four tries at the dead address that
// comes next, and another pause.
const failOverBound = 30*time.Second + 2*time.Second + 14*time.Second

// TestFailOver is up at the first address when it dies, and the second was never there.
func TestFailOver(t *testing.T) {
	for version, as := range map[int]func(Connection) Connection{1: speakIKEv1, 2: func(c Connection) Connection { return c }} {
		t.Run(fmt.Sprint("IKEv", version), func(t *testing.T) {
			namedAs(t, as, []string{right, gone1, spareAt}, []string{right, spareAt}, nil, func(t *testing.T, n *network, a *host) {
				upAt(t, a, right, time.Minute)
				dead := netip.MustParseAddr(right)
				n.setDrop(func(from, to netip.Addr) bool { return from == dead || to == dead })
				took := upAt(t, a, spareAt, 10*time.Minute)
				t.Logf("up at the third address after %v", took)
				if took > failOverBound {
					t.Errorf("it took %v to be up at the third address, and %v is what the documentation says", took, failOverBound)
				}
			})
		})
	}
}
