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
