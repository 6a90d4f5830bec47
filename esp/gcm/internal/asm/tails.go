package main

import "fmt"

func imm(n int) string { return fmt.Sprint("$", n) }

// tails emits the code for each number of vectors left. The cases come
// together at the label tag.
func (f *form) tails(emit func(k int)) {
	f.ins("TESTQ", "CX", "CX")
	f.ins("JEQ", "tail0")
	for k := 1; k < batch; k++ {
		f.ins("CMPQ", "CX", imm(k*f.size()))
		f.ins("JBE", fmt.Sprint("tail", k))
	}
	for k := batch; k >= 1; k-- {
		f.at(fmt.Sprint("tail", k))
		f.ins("SUBQ", imm((k-1)*f.size()), "CX")
		f.masks("CX")
		emit(k)
		f.ins("JMP", "tag")
	}
	f.at("tail0")
	f.firstCounter()
	f.longKeyRounds(0, true)
	f.commonRounds(0, true)
	f.ins("VAESENCLAST", f.x(f.key(14)), f.x(counter), f.x(counter))
	s := f.newSums(true)
	s.add(f.sum, "X", mem(offPower1, "R10"))
	s.reduce("X")
}

// sealTail handles the last k vectors, the last of them partial.
func (f *form) sealTail(k int) {
	last := k - 1
	f.counters(k)
	f.firstCounter()
	f.longKeyRounds(k, true)
	f.commonRounds(k, true)
	f.load("SI", last*f.size(), "CX", f.vec, scratch)
	key := f.key(14)
	f.ins("VAESENCLAST", f.x(key), f.x(counter), f.x(counter))
	f.finish(key, last, true)
	for i := range last {
		f.finish(key, i, false)
		f.ins(f.move, f.v(state0+i), mem(i*f.size(), "DI"))
		f.reverse(f.v(state0+i), f.v(data0+i))
	}
	f.store(state0+last, "DI", last*f.size(), "CX")
	f.clip(state0 + last)
	f.reverse(f.v(state0+last), f.v(data0+last))
	f.hashTail(k)
}

// openTail is the inverse of sealTail. The hash does not wait for AES.
func (f *form) openTail(k int) {
	last := k - 1
	f.load("SI", last*f.size(), "CX", f.vec, scratch)
	f.counters(k)
	f.firstCounter()
	f.longKeyRounds(k, true)
	f.interleave(f.stream(func() { f.commonRounds(k, true) }), f.stream(func() {
		for i := range last {
			f.ins(f.move, mem(i*f.size(), "SI"), f.v(data0+i))
			f.reverse(f.v(data0+i), f.v(data0+i))
		}
		f.reverse(f.v(scratch), f.v(data0+last))
		f.hashTail(k)
	}))
	key := f.key(14)
	f.ins("VAESENCLAST", f.x(key), f.x(counter), f.x(counter))
	f.finish(key, last, true)
	for i := range last {
		f.finish(key, i, false)
		f.ins(f.move, f.v(state0+i), mem(i*f.size(), "DI"))
	}
	f.store(state0+last, "DI", last*f.size(), "CX")
}

// hashTail hashes k vectors together with what remainder began.
func (f *form) hashTail(k int) {
	f.ins(f.xor, f.v(f.sum), f.v(data0), f.v(data0))
	s := f.newSums(true)
	for i := range k {
		s.add(data0+i, f.vec, mem(offPower1+i*f.size(), "R10"))
	}
	s.reduce(f.vec)
}
