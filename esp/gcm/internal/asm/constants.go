package main

// constants emits the read-only data, repeated for each lane of a vector.
func (f *form) constants() {
	f.table("reverse", func(int) (uint64, uint64) { return 0x08090a0b0c0d0e0f, 0x0001020304050607 })
	f.table("polynomial", func(int) (uint64, uint64) { return 0xc200000000000000, 0xc200000000000000 })
	f.raw("// the counters of the first data blocks: J0 has 1")
	f.table("first"+f.name, func(lane int) (uint64, uint64) { return uint64(2 + lane), 0 })
	f.table("step"+f.name, func(int) (uint64, uint64) { return uint64(f.lanes), 0 })
	if f.wide {
		return
	}
	f.raw("// read n bytes before the middle, it masks the first n bytes")
	for i := range 8 {
		f.raw("DATA window<>+%d(SB)/8, $%#x", 8*i, map[bool]uint64{true: ^uint64(0)}[i < 4])
	}
	f.raw("GLOBL window<>(SB), RODATA|NOPTR, $64")
	f.raw("")
}

func (f *form) table(name string, lane func(int) (low, high uint64)) {
	for i := range f.lanes {
		low, high := lane(i)
		f.raw("DATA %s<>+%d(SB)/8, $%#x", name, 16*i, low)
		f.raw("DATA %s<>+%d(SB)/8, $%#x", name, 16*i+8, high)
	}
	f.raw("GLOBL %s<>(SB), RODATA|NOPTR, $%d", name, f.size())
	f.raw("")
}
