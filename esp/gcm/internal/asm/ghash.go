package main

// GHASH in the form that RFC 8452 appendix A derives: with bytes reversed and
// H multiplied by x, it is POLYVAL, whose product needs no shift. A product of
// two blocks is the sum of four 64-bit carry-less ones: low, two middle, high.

// sums collects products. Each list holds registers whose sum is wanted.
type sums struct {
	f              *form
	low, mid, high []int
	free           []int
}

func (f *form) newSums(started bool) *sums {
	s := &sums{f: f, free: append([]int(nil), f.temps...)}
	if started {
		s.low, s.mid, s.high = []int{accLow}, []int{accMid}, []int{accHigh}
	} else {
		s.free = append(s.free, accHigh, accMid, accLow)
	}
	return s
}

func (s *sums) take() int {
	if len(s.free) == 0 {
		s.settle()
	}
	n := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return n
}

// add multiplies the register data by the powers at address, and gives up data.
func (s *sums) add(data int, width, address string) {
	product := func(imm string, list *[]int, to int) {
		s.f.ins("VPCLMULQDQ", imm, address, reg(width, data), reg(width, to))
		*list = append(*list, to)
		s.fold(list, false)
	}
	product("$0x00", &s.low, s.take())
	product("$0x01", &s.mid, s.take())
	product("$0x11", &s.high, s.take())
	product("$0x10", &s.mid, data)
}

// fold adds up what one instruction can add; with all, down to one register.
func (s *sums) fold(list *[]int, all bool) {
	f, l := s.f, *list
	for f.wide && len(l) >= 3 {
		f.ins("VPTERNLOGQ", "$0x96", f.v(l[1]), f.v(l[2]), f.v(l[0]))
		s.free = append(s.free, l[1], l[2])
		l = append(l[:1], l[3:]...)
	}
	for len(l) == 2 && (all || !f.wide) {
		f.ins(f.xor, f.v(l[1]), f.v(l[0]), f.v(l[0]))
		s.free = append(s.free, l[1])
		l = l[:1]
	}
	*list = l
}

// settle leaves the sums in their own registers, where newSums finds them.
func (s *sums) settle() {
	s.fold(&s.low, true)
	s.fold(&s.mid, true)
	s.fold(&s.high, true)
}

// reduce brings the sums back to one block, in the running hash. Adding
// multiples of the polynomial clears the low half in two steps of 64 bits, each
// of which multiplies by x^63 + x^62 + x^57 and swaps halves.
func (s *sums) reduce(width string) {
	f := s.f
	s.settle()
	low, mid, high, t := s.low[0], s.mid[0], s.high[0], s.take()
	step := func(from, to int) {
		f.ins("VPCLMULQDQ", "$0x00", "polynomial<>(SB)", reg(width, from), reg(width, t))
		f.ins("VPSHUFD", "$0x4e", reg(width, from), reg(width, from))
		if f.wide {
			f.ins("VPTERNLOGQ", "$0x96", reg(width, from), reg(width, t), reg(width, to))
		} else {
			f.ins(f.xor, reg(width, from), reg(width, to), reg(width, to))
			f.ins(f.xor, reg(width, t), reg(width, to), reg(width, to))
		}
	}
	step(low, mid)
	step(mid, high)
	if width == "Z" {
		f.ins("VEXTRACTI64X4", "$1", f.v(high), f.y(t))
		f.ins(f.xor, f.y(t), f.y(high), f.y(high))
	}
	if width == "X" {
		f.ins(f.move, f.x(high), f.x(f.sum))
		return
	}
	f.ins("VEXTRACTI128", "$1", f.y(high), f.x(t))
	f.ins(f.xor, f.x(t), f.x(high), f.x(f.sum))
}

// hash adds the four vectors in the data registers to the running hash.
func (f *form) hash() {
	f.ins(f.xor, f.v(f.sum), f.v(data0), f.v(data0))
	s := f.newSums(false)
	for i := range batch {
		first := batch*f.lanes - i*f.lanes
		s.add(data0+i, f.vec, mem(offPower1-(first-1)*blockSize, "AX"))
	}
	s.reduce(f.vec)
}

// hashOne multiplies the running hash by H.
func (f *form) hashOne() {
	s := f.newSums(false)
	s.free = append([]int{data0}, s.free...)
	s.add(f.sum, "X", mem(offPower1, "AX"))
	s.reduce("X")
}
