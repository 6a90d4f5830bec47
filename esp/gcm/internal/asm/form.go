package main

import "fmt"

// Offsets in the key context: gcm.schedule, held to these by a test there.
const (
	offRounds = 0
	offPower1 = 304 // H^1; higher powers before it, H^18 at 32
	offKeys   = 368 // fifteen round keys; the last is always the fifteenth
	blockSize = 16
)

// Vector registers by number. The widths share the numbers: X4 is the low lane
// of Y4 and Z4.
const (
	state0  = 0  // four counter blocks on their way to the key stream
	data0   = 4  // four vectors of ciphertext, bytes reversed, to be hashed
	accLow  = 8  // sums of products, by weight
	accMid  = 9  //
	accHigh = 10 //
	scratch = 11 // of the last AES round
	counter = 12 // next counter blocks, bytes reversed; at the end E(K, J0)
	aux     = 13 // AVX-512: the byte reversal; AVX2: the round key at hand
	temp1   = 14 // products
	batch   = 4  // vectors that the main loop takes at once
)

// form is one width of the code.
type form struct {
	*writer
	name  string // suffix of the functions' names
	vec   string // register prefix of a whole vector
	lanes int    // blocks in a vector
	xor   string // mnemonics
	move  string
	wide  bool // AVX-512: a three-input exclusive or, masks, 32 registers
	sum   int  // register of the running hash
	temps []int
}

func avx512() *form {
	return &form{writer: new(writer), name: "AVX512", vec: "Z", lanes: 4, xor: "VPXORQ", move: "VMOVDQU64",
		wide: true, sum: 31, temps: []int{temp1, 15}}
}

func avx2() *form {
	return &form{writer: new(writer), name: "AVX2", vec: "Y", lanes: 2, xor: "VPXOR", move: "VMOVDQU",
		sum: 15, temps: []int{temp1}}
}

// reg names register n in a width: X, Y or Z.
func reg(width string, n int) string { return fmt.Sprint(width, n) }

func (f *form) v(n int) string { return reg(f.vec, n) }
func (f *form) x(n int) string { return reg("X", n) }
func (f *form) y(n int) string { return reg("Y", n) }

// size is the number of bytes in a vector, loop in one round of the main loop.
func (f *form) size() int { return f.lanes * blockSize }
func (f *form) loop() int { return batch * f.size() }

// reverse reverses the bytes of each block.
func (f *form) reverse(from, to string) {
	if f.wide {
		f.ins("VPSHUFB", reg(to[:1], aux), from, to)
		return
	}
	f.ins("VPSHUFB", "reverse<>(SB)", from, to)
}

// Keys in registers, AVX-512: Z16 whitens, Z17 to Z20 are those that only
// longer keys have, Z21 to Z29 those of every length, Z30 the last.
const (
	keyWhite = 16
	keyExtra = 17
	keyEvery = 21
	keyLast  = 30
)

// loadKeys spreads the round keys over the registers that hold them.
func (f *form) loadKeys() {
	if !f.wide {
		return
	}
	f.ins("VBROADCASTI32X4", "(R11)", f.v(keyWhite))
	for i := range 4 {
		f.ins("VBROADCASTI32X4", mem(offKeys+(1+i)*16, "AX"), f.v(keyExtra+i))
	}
	for i := range 10 {
		f.ins("VBROADCASTI32X4", mem(offKeys+(5+i)*16, "AX"), f.v(keyEvery+i))
	}
}

// key makes the round key in slot (0 is the whitening key, wherever that is)
// usable and returns its register's number.
func (f *form) key(slot int) int {
	if f.wide {
		return keyWhite + slot
	}
	if slot == 0 {
		f.ins("VBROADCASTI128", "(R11)", f.y(aux))
	} else {
		f.ins("VBROADCASTI128", mem(offKeys+slot*16, "AX"), f.y(aux))
	}
	return aux
}

func mem(offset int, base string) string {
	if offset == 0 {
		return "(" + base + ")"
	}
	return fmt.Sprintf("%d(%s)", offset, base)
}
