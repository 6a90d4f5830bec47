package esp

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// naiveWindow is RFC 4303 §3.4.3 with a set of all numbers ever seen.
type naiveWindow struct {
	seen map[uint64]bool
	top  uint64
	size uint64
}

func (w *naiveWindow) fresh(seq uint64) bool {
	return seq != 0 && !w.seen[seq] && (seq > w.top || w.top-seq < w.size)
}

func (w *naiveWindow) record(seq uint64) bool {
	if !w.fresh(seq) {
		return false
	}
	w.seen[seq] = true
	w.top = max(w.top, seq)
	return true
}

// infer searches the one number with that low half which is in the 2^32 numbers
// from the window's bottom on.
func (w *naiveWindow) infer(low uint32) (uint64, bool) {
	bottom := w.top - w.size + 1 // wraps below the first window, as Seqh does
	for high := w.top>>32 - 1; high != w.top>>32+2; high++ {
		seq := high<<32 | uint64(low)
		if seq-bottom < 1<<32 {
			// What wrapped is below zero or beyond the end.
			below := w.top < w.size-1 && seq > w.top && seq-w.top >= 1<<63
			beyond := seq < w.top && w.top-seq >= w.size
			return seq, !below && !beyond
		}
	}
	return 0, false
}

// drawSequence draws numbers near the top, near the edges of the window, near
// multiples of 2^32, and anywhere.
func drawSequence(t *rapid.T, top, size uint64) uint64 {
	near := rapid.SampledFrom([]uint64{
		top, top, top, top - size, top + size, top + 1<<32, top - 1<<32, top &^ math.MaxUint32, top | math.MaxUint32, 0,
	}).Draw(t, "near")
	if rapid.IntRange(0, 20).Draw(t, "jump") == 0 {
		near = rapid.Uint64().Draw(t, "anywhere")
	}
	reach := int64(rapid.SampledFrom([]int{2, 70, 200}).Draw(t, "reach"))
	return near + uint64(rapid.Int64Range(-reach, reach).Draw(t, "offset"))
}

func TestWindowAgreesWithASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{64, 128, 192, 1024, 8192, 65536}).Draw(t, "size")
		esn := rapid.Bool().Draw(t, "esn")
		w := newWindow(size, esn)
		naive := naiveWindow{seen: make(map[uint64]bool), size: uint64(size)}
		if start := rapid.SampledFrom([]uint64{0, 1 << 31, 1<<32 - 100, 5<<32 - 70, math.MaxUint64 - 100}).Draw(t, "start"); start != 0 {
			if !esn {
				start = min(start, math.MaxUint32-100)
			}
			w.record(start)
			naive.record(start)
		}
		for range rapid.IntRange(1, 300).Draw(t, "packets") {
			seq := drawSequence(t, naive.top, naive.size)
			if !esn {
				seq &= math.MaxUint32
			}
			got, want := w.fresh(seq), naive.fresh(seq)
			if got != want {
				t.Fatalf("fresh(%d) = %v, top %d", seq, got, naive.top)
			}
			if esn {
				inferred, ok := w.infer(uint32(seq))
				wantInferred, wantOK := naive.infer(uint32(seq))
				if ok != wantOK || ok && inferred != wantInferred {
					t.Fatalf("infer(%#x) = %#x, %v, want %#x, %v; top %#x, size %d",
						uint32(seq), inferred, ok, wantInferred, wantOK, naive.top, size)
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "authentic") == 0 {
				continue
			}
			if got := w.record(seq); got != want || w.record(seq) {
				t.Fatalf("record(%d) = %v, or twice, top %d", seq, got, naive.top)
			}
			naive.record(seq)
			if w.top != naive.top {
				t.Fatalf("after %d the top is %d, not %d", seq, w.top, naive.top)
			}
		}
	})
}

func TestEveryWindowHoldsWhatItSays(t *testing.T) {
	for size := MinReplayWindow; size <= MaxReplayWindow; size += 64 {
		if size > 1024 && size&(size-1) != 0 && (size+64)&(size+63) != 0 {
			continue
		}
		w := newWindow(size, false)
		if len(w.words)*64 < size+64 {
			t.Fatalf("a window of %d has %d words", size, len(w.words))
		}
		w.record(1)
		top := uint64(size)
		w.record(top)
		if w.fresh(1) || !w.fresh(2) || !w.record(2) {
			t.Errorf("a window of %d does not remember its last number", size)
		}
		w.record(top + 2)
		if w.fresh(2) || !w.fresh(3) {
			t.Errorf("a window of %d is longer or shorter", size)
		}
	}
}

// TestInferHighHalf is the table of RFC 4303 appendix A2.2: case A with the
// window in one half of the sequence space, case B with it in two.
func TestInferHighHalf(t *testing.T) {
	const w = 64
	for _, c := range []struct {
		name string
		top  uint64
		low  uint32
		want uint64
		ok   bool
	}{
		{"A, in the window", 7<<32 | 1000, 999, 7<<32 | 999, true},
		{"A, the bottom", 7<<32 | 1000, 1000 - w + 1, 7<<32 | 1000 - w + 1, true},
		{"A, below it is the next", 7<<32 | 1000, 1000 - w, 8<<32 | 1000 - w, true},
		{"A, ahead", 7<<32 | 1000, math.MaxUint32, 7<<32 | math.MaxUint32, true},
		{"A, the least top", 7<<32 | w - 1, 0, 7 << 32, true},
		{"B, in the window", 7<<32 | 5, 3, 7<<32 | 3, true},
		{"B, in the half before", 7<<32 | 5, math.MaxUint32, 6<<32 | math.MaxUint32, true},
		{"B, the bottom", 7<<32 | w - 2, math.MaxUint32, 6<<32 | math.MaxUint32, true},
		{"B, ahead", 7<<32 | 5, math.MaxUint32 - w, 7<<32 | math.MaxUint32 - w, true},
		{"the first packet", 0, 1, 1, true},
		{"below the beginning", 5, math.MaxUint32, 0, false},
		{"beyond the end", math.MaxUint64, 0, 0, false},
		{"the end", math.MaxUint64 - 1, math.MaxUint32, math.MaxUint64, true},
	} {
		win := window{size: w, top: c.top, esn: true}
		if got, ok := win.infer(c.low); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %#x, %v; want %#x, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

// TestCrossing2To32 runs a pair of SAs over the end of the low half, with loss,
// reordering and replays around it.
func TestCrossing2To32(t *testing.T) {
	for _, c := range suites {
		t.Run(c.name, func(t *testing.T) {
			out, in := newPair(t, c, Parameters{ESN: true, ReplayWindow: 64})
			const start = 3<<32 - 50
			out.sequence.Store(start)
			in.window.top = start
			s := NewScratch()
			packets := make(map[uint64][]byte)
			for range 100 {
				seq, _, err := out.Reserve(1, 1)
				if err != nil {
					t.Fatal(err)
				}
				packets[seq] = out.Seal(s, nil, []byte{byte(seq)}, NextHeaderIPv4, seq)
			}
			open := func(seq uint64, want error) {
				t.Helper()
				if err := opens(in, s, packets[seq]); err != want {
					t.Errorf("2^32 * 3 %+d: %v, want %v", int64(seq)-3<<32, err, want)
				}
			}
			for seq := uint64(start + 1); seq <= start+40; seq += 2 {
				open(seq, nil)
			}
			open(3<<32+5, nil) // over the edge, with holes behind
			for seq := uint64(start + 2); seq <= start+40; seq += 2 {
				open(seq, nil) // the holes, of the half before
			}
			for seq := uint64(start + 1); seq <= start+40; seq++ {
				open(seq, ErrReplay)
			}
			open(3<<32, nil) // low half zero
			open(3<<32, ErrReplay)
			open(3<<32+50, nil)
			open(3<<32-5, nil)
			// Now below the window: taken for one of the half after, which the ICV
			// refutes.
			open(start+1, ErrAuthentication)
			if in.window.top != 3<<32+50 {
				t.Errorf("the top is %#x", in.window.top)
			}
		})
	}
}

func BenchmarkWindow(b *testing.B) {
	for _, size := range []int{64, 8192, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w := newWindow(size, true)
			seq := uint64(0)
			for b.Loop() {
				seq++
				n, _ := w.infer(uint32(seq))
				w.record(n)
			}
		})
	}
}
