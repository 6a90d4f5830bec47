package main

// Partial vectors. AVX-512 masks bytes. AVX2 masks words of four bytes; what is
// over, one to three bytes, goes through a general register. In both, bytes
// that are masked out are not touched, wherever they are.

// masks prepares for a partial vector of as many bytes as register says, one to
// a whole vector's; zero is allowed too. load, store and clip use what it leaves.
func (f *form) masks(register string) {
	if f.wide {
		f.ins("MOVQ", "$-1", "R13")
		f.ins("BZHIQ", register, "R13", "R13")
		f.ins("KMOVQ", "R13", "K1")
		return
	}
	f.note("BX: mask of the bytes; R8: mask of the whole words; R9: bytes over")
	f.ins("LEAQ", "window<>+32(SB)", "BX")
	f.ins("MOVQ", register, "R8")
	f.ins("MOVQ", register, "R9")
	f.ins("ANDQ", "$-4", "R8")
	f.ins("ANDQ", "$3", "R9")
	f.ins("SUBQ", "R8", "BX")
	f.ins("MOVQ", "BX", "R8")
	f.ins("SUBQ", "R9", "BX")
}

// load reads a partial vector into register n, zeros after it; length is the
// register that masks had.
func (f *form) load(base string, offset int, length string, width string, n int) {
	to := reg(width, n)
	if f.wide {
		f.ins("VMOVDQU8.Z", mem(offset, base), "K1", to)
		return
	}
	mask, over, whole, two := reg(width, aux), reg(width, temp1), f.fresh("whole"), f.fresh("two")
	f.ins("VMOVDQU", "(R8)", mask)
	f.ins("VPMASKMOVD", mem(offset, base), mask, to)
	f.ins("TESTQ", "R9", "R9")
	f.ins("JEQ", whole)
	f.note("the bytes over, in every word, then masked")
	f.ins("LEAQ", mem(offset, base), "R13")
	f.ins("ADDQ", length, "R13")
	f.ins("MOVBLZX", "-1(R13)", "R12")
	f.ins("CMPQ", "R9", "$2")
	f.ins("JB", two)
	f.ins("SHLL", "$8", "R12")
	f.ins("MOVB", "-2(R13)", "R12")
	f.ins("CMPQ", "R9", "$2")
	f.ins("JEQ", two)
	f.ins("SHLL", "$8", "R12")
	f.ins("MOVB", "-3(R13)", "R12")
	f.at(two)
	f.ins("VMOVD", "R12", f.x(temp1))
	f.ins("VPBROADCASTD", f.x(temp1), over)
	f.ins("VPANDN", over, mask, over)
	f.ins("VPAND", "(BX)", over, over)
	f.ins("VPOR", over, to, to)
	f.at(whole)
}

// store writes the partial vector in register n.
func (f *form) store(n int, base string, offset int, length string) {
	if f.wide {
		f.ins("VMOVDQU8", f.v(n), "K1", mem(offset, base))
		return
	}
	mask, whole, one, two := f.y(aux), f.fresh("whole"), f.fresh("one"), f.fresh("two")
	f.ins("VMOVDQU", "(R8)", mask)
	f.ins("VPMASKMOVD", f.v(n), mask, mem(offset, base))
	f.ins("TESTQ", "R9", "R9")
	f.ins("JEQ", whole)
	f.note("the word that the bytes over are in")
	f.ins("LEAQ", mem(offset, base), "R13")
	f.ins("ADDQ", length, "R13")
	f.ins("SUBQ", "R9", "R13")
	f.ins("MOVQ", length, "R12")
	f.ins("SHRQ", "$2", "R12")
	f.ins("VMOVD", "R12", f.x(temp1))
	f.ins("VPERMD", f.v(n), f.y(temp1), f.y(temp1))
	f.ins("VMOVD", f.x(temp1), "R12")
	f.ins("CMPQ", "R9", "$2")
	f.ins("JB", one)
	f.ins("JEQ", two)
	f.ins("MOVW", "R12", "(R13)")
	f.ins("SHRL", "$16", "R12")
	f.ins("MOVB", "R12", "2(R13)")
	f.ins("JMP", whole)
	f.at(two)
	f.ins("MOVW", "R12", "(R13)")
	f.ins("JMP", whole)
	f.at(one)
	f.ins("MOVB", "R12", "(R13)")
	f.at(whole)
}

// clip zeroes the bytes of register n that are masked out.
func (f *form) clip(n int) {
	if f.wide {
		f.ins("VMOVDQU8.Z", f.v(n), "K1", f.v(n))
		return
	}
	f.ins("VPAND", "(BX)", f.v(n), f.v(n))
}
