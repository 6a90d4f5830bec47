#include "textflag.h"

// func sumWide(p *byte, n int) uint64
//
// Each quadword that is loaded is taken apart into its halves, which gather in
// quadwords of their own: Y0 and Y2 the low ones, Y1 and Y3 the high ones. They
// do not overflow before 2^32 words of each.
TEXT ·sumWide(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPCMPEQD Y15, Y15, Y15
	VPSRLQ $32, Y15, Y15    // the low half of each quadword

block:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y6
	VPSRLQ $32, Y4, Y5
	VPSRLQ $32, Y6, Y7
	VPAND Y15, Y4, Y4
	VPAND Y15, Y6, Y6
	VPADDQ Y5, Y1, Y1
	VPADDQ Y7, Y3, Y3
	VPADDQ Y4, Y0, Y0
	VPADDQ Y6, Y2, Y2
	ADDQ $64, SI
	SUBQ $64, CX
	JNZ block

	VPADDQ Y1, Y0, Y0
	VPADDQ Y3, Y2, Y2
	VPADDQ Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ X1, X0, X0
	VPSHUFD $0x4e, X0, X1
	VPADDQ X1, X0, X0
	VMOVQ X0, AX
	VZEROUPPER
	MOVQ AX, ret+16(FP)
	RET
