package lab

import (
	"strings"
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestSteady is a thousand packets each way at once, of which none is lost.
func TestSteady(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	g, d := s.joined(a, b)
	here, there := world.ClientIn(a.LocalNetworks[0]), world.ClientIn(a.RemoteNetworks[0])
	back, err := s.ClientB.Start("ping-back", "ping", "-n", "-q", "-i", "0.005", "-W", "2", "-c", "1000", here.String())
	s.must(err)
	s.ping(s.ClientA, there, 1000, "-q", "-i", "0.005")
	<-back.Done()
	if text := world.Tail(back.Log, 4); !strings.Contains(text, "1000 received") {
		t.Errorf("from the other side: %s", text)
	}
	s.agree(g, d, a, b)
	c := s.status(g, link.Name)
	for reason, n := range c.Drops {
		if n != 0 {
			t.Errorf("our gateway dropped %d packets: %s", n, reason)
		}
	}
}
