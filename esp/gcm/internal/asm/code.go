package main

// Registers: AX key context; SI, DI, CX what is left of source, destination and
// length; DX rounds above ten; R10 powers for the remainder, at offPower1; R11
// whitening key; BX, R8, R9, R12, R13 for the moment.

// prologue loads what every packet needs. It leaves the last block of the
// additional data in the running hash, not yet multiplied.
func (f *form) prologue() {
	f.ins("MOVQ", "s+0(FP)", "AX")
	f.ins("MOVQ", "nonce+40(FP)", "R8")
	f.ins("MOVQ", "aad+48(FP)", "SI")
	f.ins("MOVQ", "aadLen+56(FP)", "CX")
	f.ins("MOVQ", mem(offRounds, "AX"), "DX")
	f.ins("LEAQ", mem(offKeys+4*16, "AX"), "R11")
	f.ins("MOVQ", "DX", "R12")
	f.ins("SHLQ", "$4", "R12")
	f.ins("SUBQ", "R12", "R11")
	if f.wide {
		f.ins("VMOVDQU64", "reverse<>(SB)", f.v(aux))
	}
	f.ins("VMOVQ", "(R8)", f.x(counter))
	f.ins("VPINSRD", "$2", "8(R8)", f.x(counter), f.x(counter))
	f.reverse(f.x(counter), f.x(counter))
	if f.wide {
		f.ins("VSHUFI64X2", "$0", f.v(counter), f.v(counter), f.v(counter))
	} else {
		f.ins("VINSERTI128", "$1", f.x(counter), f.y(counter), f.y(counter))
	}
	f.ins("VPADDD", "first"+f.name+"<>(SB)", f.v(counter), f.v(counter))
	f.loadKeys()
	f.additionalData()
	f.ins("MOVQ", "dst+8(FP)", "DI")
	f.ins("MOVQ", "src+16(FP)", "SI")
	f.ins("MOVQ", "n+32(FP)", "CX")
}

func (f *form) additionalData() {
	again, last := f.fresh("additional"), f.fresh("additional")
	f.ins(f.xor, f.x(f.sum), f.x(f.sum), f.x(f.sum))
	f.at(again)
	f.ins("CMPQ", "CX", "$16")
	f.ins("JBE", last)
	f.ins("VMOVDQU", "(SI)", f.x(data0))
	f.reverse(f.x(data0), f.x(data0))
	f.ins(f.xor, f.x(data0), f.x(f.sum), f.x(f.sum))
	f.hashOne()
	f.ins("ADDQ", "$16", "SI")
	f.ins("SUBQ", "$16", "CX")
	f.ins("JMP", again)
	f.at(last)
	f.masks("CX")
	f.load("SI", 0, "CX", "X", data0)
	f.reverse(f.x(data0), f.x(data0))
	f.ins(f.xor, f.x(data0), f.x(f.sum), f.x(f.sum))
}

// remainder starts the sums of the last pass with the block of lengths and,
// when there was no pass before, the additional data, which then has the
// highest power. What is left is less than one round of the main loop.
func (f *form) remainder(only bool) {
	f.ins("LEAQ", "15(CX)", "R10")
	f.ins("ANDQ", "$-16", "R10")
	f.ins("NEGQ", "R10")
	f.ins("ADDQ", "AX", "R10")
	f.ins("MOVQ", "n+32(FP)", "R12")
	f.ins("MOVQ", "aadLen+56(FP)", "R13")
	f.ins("SHLQ", "$3", "R12")
	f.ins("SHLQ", "$3", "R13")
	f.ins("VMOVQ", "R12", f.x(data0))
	f.ins("VPINSRQ", "$1", "R13", f.x(data0), f.x(data0))
	s := f.newSums(false)
	if only {
		s.add(f.sum, "X", mem(offPower1-blockSize, "R10"))
	}
	s.add(data0, "X", mem(offPower1, "AX"))
	s.settle()
	if only {
		f.ins(f.xor, f.x(f.sum), f.x(f.sum), f.x(f.sum))
	}
}

// advance moves on by one round of the main loop.
func (f *form) advance() {
	f.ins("ADDQ", imm(f.loop()), "SI")
	f.ins("ADDQ", imm(f.loop()), "DI")
	f.ins("SUBQ", imm(f.loop()), "CX")
}

// crypt encrypts four whole vectors from SI to DI, with other work alongside.
func (f *form) crypt(alongside []string) {
	f.counters(batch)
	f.longKeyRounds(batch, false)
	f.interleave(f.stream(func() { f.commonRounds(batch, false) }), alongside)
	key := f.key(14)
	for i := range batch {
		f.finish(key, i, false)
	}
	for i := range batch {
		f.ins(f.move, f.v(state0+i), mem(i*f.size(), "DI"))
	}
}

// seal emits the function that encrypts and makes the tag. Of the n bytes the
// first come from src, a number of whole rounds of the main loop, and the last
// "more" are in dst; or more is 0.
func (f *form) seal() {
	f.raw("// func seal%s(s *schedule, dst, src *byte, more, n int, nonce *[12]byte, aad *byte, aadLen int, tag *byte, tagLen int)", f.name)
	f.raw("TEXT ·seal%s(SB), NOSPLIT, $0-80", f.name)
	f.prologue()
	f.ins("SUBQ", "more+24(FP)", "CX")
	f.ins("CMPQ", "CX", imm(f.loop()))
	f.ins("JAE", "long")
	f.remainder(true)
	f.ins("JMP", "tails")

	f.at("long")
	f.sealLoop()
	f.remainder(false)

	f.at("tails")
	f.tails(f.sealTail)

	f.at("tag")
	f.ins("MOVQ", "tag+64(FP)", "DI")
	f.ins("MOVQ", "tagLen+72(FP)", "CX")
	f.masks("CX")
	f.makeTag()
	if f.wide {
		f.ins("VMOVDQU8", f.x(data0), "K1", "(DI)")
	} else {
		f.ins("VMOVDQU", "(R8)", f.x(aux))
		f.ins("VPMASKMOVD", f.x(data0), f.x(aux), "(DI)")
	}
	f.wipe()
	f.ins("RET")
}

// sealLoop encrypts whole rounds, each while the one before it is hashed.
func (f *form) sealLoop() {
	f.hashOne()
	f.crypt(nil)
	f.reverseStates()
	f.advance()
	f.raw("\tPCALIGN $64")
	f.at("loop")
	f.ins("CMPQ", "CX", imm(f.loop()))
	f.ins("JB", "drain")
	f.crypt(f.stream(f.hash))
	f.reverseStates()
	f.advance()
	f.ins("JMP", "loop")
	f.at("drain")
	f.note("the plaintext may go on in the destination")
	f.ins("MOVQ", "more+24(FP)", "R12")
	f.ins("TESTQ", "R12", "R12")
	f.ins("JEQ", "last")
	f.ins("MOVQ", "$0", "more+24(FP)")
	f.ins("MOVQ", "DI", "SI")
	f.ins("MOVQ", "R12", "CX")
	f.ins("JMP", "loop")
	f.at("last")
	f.hash()
}

// reverseStates turns the ciphertext just made into blocks to be hashed.
func (f *form) reverseStates() {
	for i := range batch {
		f.reverse(f.v(state0+i), f.v(data0+i))
	}
}

// open emits the function that decrypts and checks the tag.
func (f *form) open() {
	f.raw("// func open%s(s *schedule, dst, src, tag *byte, n int, nonce *[12]byte, aad *byte, aadLen int, tagLen int) bool", f.name)
	f.raw("TEXT ·open%s(SB), NOSPLIT, $0-73", f.name)
	f.prologue()
	f.ins("CMPQ", "CX", imm(f.loop()))
	f.ins("JAE", "long")
	f.remainder(true)
	f.ins("JMP", "tails")

	f.at("long")
	f.hashOne()
	f.raw("\tPCALIGN $64")
	f.at("loop")
	f.crypt(f.stream(func() {
		for i := range batch {
			f.ins(f.move, mem(i*f.size(), "SI"), f.v(data0+i))
			f.reverse(f.v(data0+i), f.v(data0+i))
		}
		f.hash()
	}))
	f.advance()
	f.ins("CMPQ", "CX", imm(f.loop()))
	f.ins("JAE", "loop")
	f.remainder(false)

	f.at("tails")
	f.tails(f.openTail)

	f.at("tag")
	f.ins("MOVQ", "tag+24(FP)", "SI")
	f.ins("MOVQ", "tagLen+64(FP)", "CX")
	f.masks("CX")
	f.makeTag()
	f.load("SI", 0, "CX", "X", scratch)
	f.note("no byte of the tag decides a branch")
	if f.wide {
		f.ins("VMOVDQU8.Z", f.x(data0), "K1", f.x(data0))
	} else {
		f.ins("VPAND", "(BX)", f.x(data0), f.x(data0))
	}
	f.ins("VPXOR", f.x(scratch), f.x(data0), f.x(data0))
	f.ins("VPTEST", f.x(data0), f.x(data0))
	f.ins("SETEQ", "ret+72(FP)")
	f.wipe()
	f.ins("RET")
}

// makeTag adds the hash to E(K, J0) (SP 800-38D §7.1 step 6), in data0.
func (f *form) makeTag() {
	f.reverse(f.x(f.sum), f.x(data0))
	f.ins(f.xor, f.x(counter), f.x(data0), f.x(data0))
}

// wipe leaves no key in a register.
func (f *form) wipe() {
	if f.wide {
		for n := keyWhite; n <= keyLast; n++ {
			f.ins("VPXORQ", f.x(n), f.x(n), f.x(n))
		}
	} else {
		f.ins("VPXOR", f.x(aux), f.x(aux), f.x(aux))
	}
	f.ins("VZEROUPPER")
}

func (f *form) file() []string {
	f.raw("// Code generated by esp/gcm/internal/asm; DO NOT EDIT.")
	f.raw("")
	f.raw("//go:build !purego")
	f.raw("")
	f.raw("#include \"textflag.h\"")
	f.raw("")
	f.constants()
	f.seal()
	f.raw("")
	f.open()
	return f.lines
}
