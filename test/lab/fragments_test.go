package lab

import (
	"os"
	"strings"
	"testing"

	"causeway/test/lab/link"
)

// TestFragments: both ends have identities that make IKE_AUTH longer than a
// datagram may be, so it goes in fragments both ways (RFC 7383).
func TestFragments(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"initiator", "responder"} {
		t.Run(role, func(t *testing.T) {
			s := newScene(t)
			a, _ := link.Pair()
			a = networks(a, 0, 1, 2)
			a.LocalIdentity = strings.Repeat("OU=a unit with a name that is long, ", 6) + "CN=a" // strongSwan knows keys by 255 octets of text
			a.RemoteIdentity = strings.Repeat("OU=a unit with a name that is long, ", 6) + "CN=b"
			a.Start = role == "initiator"
			a.FragmentSize = 576
			_, d := s.joined(a, a.Peer())
			log, err := os.ReadFile(d.Log())
			s.must(err)
			for _, want := range []string{"received fragment #2 of ", "splitting IKE message"} {
				if !strings.Contains(string(log), want) {
					t.Errorf("strongSwan's log has no %q", want)
				}
			}
		})
	}
}
