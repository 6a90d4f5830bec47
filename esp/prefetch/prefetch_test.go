package prefetch

import (
	"testing"
	"unsafe"
)

// TestAdd finds every line of a value in its span, wherever it begins.
func TestAdd(t *testing.T) {
	memory := make([]byte, 4096)
	skip := -uintptr(unsafe.Pointer(&memory[0])) % lineSize
	base := uint64(uintptr(unsafe.Pointer(&memory[skip])))
	for at := range uintptr(lineSize) {
		var l Lines
		Add(&l, (*[100]byte)(memory[skip+at:]))
		span := l.spans[0].Load()
		first, lines := span&^63, span&63
		want := (uint64(at) + 100 + 63) / 64
		if first != base || lines != want {
			t.Fatalf("at %d of a line: %d lines from %d on, wanted %d from 0", at, lines, first-base, want)
		}
		l.Fetch()
	}
}

// TestBounds fills Lines and asks for what is not there.
func TestBounds(t *testing.T) {
	var l Lines
	l.Fetch()
	Add[int](&l, nil)
	Add(&l, &struct{}{})
	if n := l.count(); n != 0 {
		t.Fatalf("%d spans of nothing", n)
	}
	Add(&l, new([1 << 16]byte))
	if lines := l.spans[0].Load() & 63; lines != mostLines {
		t.Fatalf("%d lines of a large value", lines)
	}
	for range 2 * mostSpans {
		Add(&l, new(uint64))
	}
	if n := l.count(); n != mostSpans {
		t.Fatalf("%d spans", n)
	}
	moved := new(uint64)
	Follow(&l, moved)
	if got := l.spans[0].Load(); got != span(moved) || l.count() != mostSpans {
		t.Fatalf("the first span is %x, not of what was followed", got)
	}
	l.spans[1].Store(0xffff_ffff_ffff_ffc1) // nothing is there
	l.Fetch()
	l.Clear()
	if n := l.count(); n != 0 {
		t.Fatalf("%d spans after Clear", n)
	}
}

func (l *Lines) count() (n int) {
	for n < len(l.spans) && l.spans[n].Load() != 0 {
		n++
	}
	return n
}

func BenchmarkFetch(b *testing.B) {
	var l Lines
	for range 8 {
		Add(&l, new([200]byte))
	}
	for b.Loop() {
		l.Fetch()
	}
}
