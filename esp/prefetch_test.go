package esp

import (
	"testing"

	"causeway/esp/prefetch"
)

// TestPrefetch follows the replay window over its whole ring.
func TestPrefetch(t *testing.T) {
	out, in := newPair(t, suites[0], Parameters{ESN: true, ReplayWindow: 1024})
	var l prefetch.Lines
	in.Prefetch(&l)
	s := NewScratch()
	for n := range 3000 {
		batch := []Packet{{Bytes: sealNext(t, out, s, []byte("packet"))}}
		if word := &in.window.words[uint64(n+1)/64&in.window.mask]; !prefetch.Covers(&l, word) {
			t.Fatalf("packet %d: its place in the window is not among the lines", n+1)
		}
		in.OpenBatch(s, batch)
		if batch[0].Err != nil {
			t.Fatal(batch[0].Err)
		}
	}
	var sealing prefetch.Lines
	out.Prefetch(&sealing)
	if !prefetch.Covers(&sealing, out) || !prefetch.Covers(&sealing, out.keys.held.Load().transform.(*gcm).key) {
		t.Error("sequence numbers or key are not among the lines")
	}
	out.Erase()
	out.Prefetch(new(prefetch.Lines))
}
