package tunnel

import (
	"os"
	"strings"
	"testing"
)

func TestDropsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/packet.md")
	if err != nil {
		t.Fatal(err)
	}
	for d := range dropReasons {
		if d.String() == "" || !strings.Contains(string(page), "\n| `"+d.String()+"` |") {
			t.Errorf("docs/packet.md does not explain the drop reason %d, %q", d, d)
		}
	}
	if dropReasons.String() != "unknown" {
		t.Errorf("a reason that does not exist is called %q", dropReasons)
	}
}

// TestDropsByDirection: each direction has its drops, but for what carries
// nothing; the reasons have those of both.
func TestDropsByDirection(t *testing.T) {
	var c counters
	c.dropIn(DropMeter, 1)
	c.dropIn(DropReplay, 2)
	c.dropIn(DropDummy, 4)
	c.dropIn(DropKeepalive, 8)
	c.dropOut(DropMeter, 16)
	c.dropOut(DropNoSA, 32)
	s := c.snapshot()
	if s.DropsIn != 3 || s.DropsOut != 48 || s.Drops[DropMeter] != 17 || s.Drops[DropDummy] != 4 || s.Drops[DropNoSA] != 32 {
		t.Errorf("%+v", s)
	}
}
