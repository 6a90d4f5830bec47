package esp

import "math/bits"

// window is the replay window (RFC 4303 §3.4.3) in the form of RFC 6479: a ring
// of words with one more than the window needs, so that advancing clears whole
// words and never shifts. It is not safe for concurrent use.
//
// Checking and recording are apart, because a number counts as seen only once
// its packet was found authentic.
type window struct {
	words []uint64 // bit n%64 of word n/64: number n was seen
	mask  uint64   // len(words) is a power of two
	size  uint64
	top   uint64 // the highest number seen; 0 for none, as numbers start at 1
	esn   bool
}

func newWindow(size int, esn bool) window {
	words := 1 << bits.Len(uint(size/64))
	return window{words: make([]uint64, words), mask: uint64(words - 1), size: uint64(size), esn: esn}
}

// place is where the bit of the next number lies.
func (w *window) place() *uint64 { return &w.words[(w.top+1)/64&w.mask] }

// infer returns the whole of the sequence number of which low was sent; ok is
// false for a half that no number near the window has. It is RFC 4303 appendix
// A2.2: the number nearest to the window, where what lies below it is taken for
// the next half rather than for an old packet.
func (w *window) infer(low uint32) (seq uint64, ok bool) {
	if !w.esn {
		return uint64(low), true
	}
	high, topLow := uint32(w.top>>32), uint32(w.top)
	bottom := topLow - uint32(w.size) + 1
	if uint64(topLow) >= w.size-1 { // the window is within one half
		if low < bottom {
			high++
			ok = high != 0
		} else {
			ok = true
		}
	} else if low >= bottom { // the window spans two, and this is the lower
		ok = high != 0
		high--
	} else {
		ok = true
	}
	return uint64(high)<<32 | uint64(low), ok
}

// fresh reports whether seq was not seen and is not too old to tell. Zero is
// never sent.
func (w *window) fresh(seq uint64) bool {
	switch {
	case seq == 0:
		return false
	case seq > w.top:
		return true
	case w.top-seq >= w.size:
		return false
	}
	return w.words[seq/64&w.mask]&(1<<(seq%64)) == 0
}

// record marks seq as seen and reports whether it was fresh.
func (w *window) record(seq uint64) bool {
	if !w.fresh(seq) {
		return false
	}
	if seq > w.top {
		first, last := w.top/64+1, seq/64
		if last-w.top/64 > w.mask {
			clear(w.words)
		} else {
			for i := first; i <= last; i++ {
				w.words[i&w.mask] = 0
			}
		}
		w.top = seq
	}
	w.words[seq/64&w.mask] |= 1 << (seq % 64)
	return true
}
