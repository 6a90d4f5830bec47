package transcript

import (
	"testing"

	"causeway/ike/auth"
	"causeway/ike/sa"
)

// TestStrangerIsNamed: of a failed authentication the end that was asked says that
// the peer is a stranger; the end that asked does not.
func TestStrangerIsNamed(t *testing.T) {
	a, b := Pair()
	a.PSK = auth.NewSecret([]byte("another key"))
	w := New(a, b, nil)
	w.A.Up()
	w.DeliverAll()
	for h, want := range map[*Host]bool{w.A: false, w.B: true} {
		failed := 0
		for _, r := range h.Reports {
			if f, ok := r.(sa.Failed); ok {
				if failed++; f.Stranger != want {
					t.Errorf("%s: stranger %v, want %v: %v", h.Name, f.Stranger, want, f.Failure)
				}
			}
		}
		if failed == 0 {
			t.Errorf("%s reports no failure", h.Name)
		}
	}
}
