//go:build !purego

#include "textflag.h"

DATA fold<>+0(SB)/8, $0xc200000000000000
DATA fold<>+8(SB)/8, $0xc200000000000000
GLOBL fold<>(SB), RODATA|NOPTR, $16

// func subWord(w uint32) uint32
//
// With the same word in every column ShiftRows changes nothing, which leaves
// SubBytes of the last round, without a table.
TEXT ·subWord(SB), NOSPLIT, $0-12
	MOVL w+0(FP), AX
	VMOVD AX, X0
	VPSHUFD $0, X0, X0
	VPXOR X1, X1, X1
	VAESENCLAST X1, X0, X0
	VMOVD X0, AX
	MOVL AX, ret+8(FP)
	RET

// func encryptZero(s *schedule, dst *[16]byte)
TEXT ·encryptZero(SB), NOSPLIT, $0-16
	MOVQ s+0(FP), AX
	MOVQ dst+8(FP), DI
	MOVQ (AX), CX
	LEAQ 368(AX), SI // the whitening key, later the one at hand
	MOVQ $4, DX
	SUBQ CX, DX
	SHLQ $4, DX
	ADDQ DX, SI
	ADDQ $9, CX // rounds before the last
	VMOVDQU (SI), X0
again:
	ADDQ $16, SI
	VAESENC (SI), X0, X0
	DECQ CX
	JNE again
	VAESENCLAST 16(SI), X0, X0
	VMOVDQU X0, (DI)
	VPXOR X0, X0, X0
	RET

// func multiply(dst, a, b *[16]byte)
//
// The product of RFC 8452 §3, dot: low, middle and high halves, then two steps
// that clear the low 64 bits.
TEXT ·multiply(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	VMOVDQU (SI), X0
	VMOVDQU (DX), X1
	VPCLMULQDQ $0x00, X1, X0, X2
	VPCLMULQDQ $0x01, X1, X0, X3
	VPCLMULQDQ $0x10, X1, X0, X4
	VPCLMULQDQ $0x11, X1, X0, X5
	VPXOR X4, X3, X3
	VMOVDQU fold<>(SB), X6
	VPCLMULQDQ $0x00, X6, X2, X4
	VPSHUFD $0x4e, X2, X2
	VPXOR X2, X3, X3
	VPXOR X4, X3, X3
	VPCLMULQDQ $0x00, X6, X3, X4
	VPSHUFD $0x4e, X3, X3
	VPXOR X3, X5, X5
	VPXOR X4, X5, X5
	VMOVDQU X5, (DI)
	RET

// func cpuid7() (ecx uint32)
TEXT ·cpuid7(SB), NOSPLIT, $0-4
	MOVL $7, AX
	XORL CX, CX
	CPUID
	MOVL CX, ecx+0(FP)
	RET
