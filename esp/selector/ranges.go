package selector

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// fewRanges is up to how many ranges are tried one by one; more are searched.
const fewRanges = 8

// range4 and ranges4 are IPv4 addresses as numbers; range6 and ranges6 the same
// for IPv6. They are separate because a packet is of one family and a compare
// of IPv4 numbers is one instruction.
type range4 struct{ first, last uint32 }

// ranges4, once merged, are sorted and do not touch.
type ranges4 []range4

func bits4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func (r ranges4) merged() ranges4 {
	slices.SortFunc(r, func(a, b range4) int { return cmp.Compare(a.first, b.first) })
	out := r[:0]
	for _, next := range r {
		if n := len(out); n != 0 && (next.first <= out[n-1].last || next.first-1 == out[n-1].last) {
			out[n-1].last = max(out[n-1].last, next.last)
			continue
		}
		out = append(out, next)
	}
	return out
}

func (r ranges4) hold(a uint32) bool {
	low, high := 0, len(r)
	for high-low > fewRanges {
		if middle := (low + high) / 2; r[middle].first <= a {
			low = middle
		} else {
			high = middle
		}
	}
	for _, c := range r[low:high] {
		if a-c.first <= c.last-c.first {
			return true
		}
	}
	return false
}

type number6 struct{ high, low uint64 }

func bits6(a netip.Addr) number6 {
	b := a.As16()
	return number6{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (n number6) less(o number6) bool {
	return n.high < o.high || n.high == o.high && n.low < o.low
}

func (n number6) next() number6 {
	n.low++
	if n.low == 0 {
		n.high++
	}
	return n
}

type range6 struct{ first, last number6 }

// ranges6, once merged, are sorted and do not touch.
type ranges6 []range6

func (r ranges6) merged() ranges6 {
	slices.SortFunc(r, func(a, b range6) int {
		return cmp.Or(cmp.Compare(a.first.high, b.first.high), cmp.Compare(a.first.low, b.first.low))
	})
	out := r[:0]
	for _, next := range r {
		if n := len(out); n != 0 && (!out[n-1].last.less(next.first) || out[n-1].last.next() == next.first) {
			if out[n-1].last.less(next.last) {
				out[n-1].last = next.last
			}
			continue
		}
		out = append(out, next)
	}
	return out
}

func (r ranges6) hold(a number6) bool {
	low, high := 0, len(r)
	for high-low > fewRanges {
		if middle := (low + high) / 2; !a.less(r[middle].first) {
			low = middle
		} else {
			high = middle
		}
	}
	for _, c := range r[low:high] {
		if !a.less(c.first) && !c.last.less(a) {
			return true
		}
	}
	return false
}
