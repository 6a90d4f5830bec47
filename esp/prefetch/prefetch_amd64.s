//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// func fetch(spans *[mostSpans]atomic.Uint64)
TEXT ·fetch(SB), NOSPLIT, $0-8
	MOVQ spans+0(FP), SI
	MOVQ $const_mostSpans, CX

span:
	MOVQ (SI), AX
	TESTQ AX, AX
	JZ done
	MOVQ AX, BX
	ANDQ $63, BX
	XORQ BX, AX

line:
	PREFETCHT0 (AX)
	ADDQ $64, AX
	DECQ BX
	JNZ line

	ADDQ $8, SI
	DECQ CX
	JNZ span

done:
	RET
