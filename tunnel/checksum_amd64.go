package tunnel

import "golang.org/x/sys/cpu"

// wideBlock is how many bytes sumWide takes at a time.
const wideBlock = 64

var hasWide = cpu.X86.HasAVX2

// sumWide adds up the n bytes at p as 32-bit words of the machine's byte order,
// by AVX2. n is a multiple of wideBlock, and not 0.
//
//go:noescape
func sumWide(p *byte, n int) uint64
