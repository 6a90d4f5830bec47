package main

// counters makes n vectors of counter blocks, with the whitening key added
// (FIPS 197 §5.1), and moves the counter on.
func (f *form) counters(n int) {
	white := f.key(0)
	for i := range n {
		f.reverse(f.v(counter), f.v(state0+i))
		f.ins("VPADDD", "step"+f.name+"<>(SB)", f.v(counter), f.v(counter))
		f.ins(f.xor, f.v(white), f.v(state0+i), f.v(state0+i))
	}
}

// firstCounter makes J0 (SP 800-38D §7.1) out of the counter, which is not
// needed any more.
func (f *form) firstCounter() {
	f.reverse(f.x(counter), f.x(counter))
	f.ins("MOVL", "$0x01000000", "R12")
	f.ins("VPINSRD", "$3", "R12", f.x(counter), f.x(counter))
	f.ins(f.xor, f.x(f.key(0)), f.x(counter), f.x(counter))
}

// round applies one round to n vectors and, with j0, to the block for the tag.
func (f *form) round(slot, n int, j0 bool) {
	key := f.key(slot)
	for i := range n {
		f.ins("VAESENC", f.v(key), f.v(state0+i), f.v(state0+i))
	}
	if j0 {
		f.ins("VAESENC", f.x(key), f.x(counter), f.x(counter))
	}
}

// longKeyRounds applies the two or four rounds that AES-192 and AES-256 have
// more than AES-128. DX holds their number.
func (f *form) longKeyRounds(n int, j0 bool) {
	two, done := f.fresh("two"), f.fresh("ten")
	f.ins("CMPQ", "DX", "$2")
	f.ins("JB", done)
	f.ins("JEQ", two)
	f.round(1, n, j0)
	f.round(2, n, j0)
	f.at(two)
	f.round(3, n, j0)
	f.round(4, n, j0)
	f.at(done)
}

// commonRounds applies the nine rounds before the last.
func (f *form) commonRounds(n int, j0 bool) {
	for slot := 5; slot < 14; slot++ {
		f.round(slot, n, j0)
	}
}

// finish applies the last round, which adds the data from SI as well, to one
// vector. The data was loaded into scratch if it is partial.
func (f *form) finish(key, i int, loaded bool) {
	if loaded {
		f.ins(f.xor, f.v(key), f.v(scratch), f.v(scratch))
	} else {
		f.ins(f.xor, mem(i*f.size(), "SI"), f.v(key), f.v(scratch))
	}
	f.ins("VAESENCLAST", f.v(scratch), f.v(state0+i), f.v(state0+i))
}
