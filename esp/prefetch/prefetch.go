// Package prefetch asks the processor for memory that will be needed soon. With a
// thousand SAs, what sealing under one of them reads is not in the caches when its
// turn comes, and lies behind pointers: found one after the other, each line costs
// the whole way to memory; asked for all at once, they come together.
package prefetch

import (
	"sync/atomic"
	"unsafe"
)

const (
	lineSize  = 64
	mostLines = lineSize - 1 // in one span: the number has the low bits of an address
	mostSpans = 16
)

// Lines is where the memory lies that is used together. It keeps none of it alive:
// the processor ignores an address where nothing is. Fetch may run while the
// others do, which are one caller's at a time; it asks then for some of it. The
// zero value has none.
type Lines struct {
	// The address of a line, and how many from there on; 0 after the last.
	spans [mostSpans]atomic.Uint64
}

// Clear forgets all.
func (l *Lines) Clear() {
	for i := range l.spans {
		l.spans[i].Store(0)
	}
}

// Add puts the value at p to the others, unless there is no place left: then it is
// only not asked for.
func Add[T any](l *Lines, p *T) {
	if p == nil || unsafe.Sizeof(*p) == 0 {
		return
	}
	for i := range l.spans {
		if l.spans[i].Load() == 0 {
			l.spans[i].Store(span(p))
			return
		}
	}
}

// Follow puts the value at p in the place of what was added first.
func Follow[T any](l *Lines, p *T) {
	if s := span(p); l.spans[0].Load() != s {
		l.spans[0].Store(s)
	}
}

func span[T any](p *T) uint64 {
	first := uint64(uintptr(unsafe.Pointer(p))) &^ (lineSize - 1)
	end := uint64(uintptr(unsafe.Pointer(p)) + unsafe.Sizeof(*p))
	return first | min((end-first+lineSize-1)/lineSize, mostLines)
}

// Covers tells whether all of the value at p is among the lines.
func Covers[T any](l *Lines, p *T) bool {
	wanted := span(p)
	from, to := wanted&^(lineSize-1), wanted&^(lineSize-1)+wanted%lineSize*lineSize
	for i := range l.spans {
		s := l.spans[i].Load()
		if first := s &^ (lineSize - 1); s != 0 && first <= from && to <= first+s%lineSize*lineSize {
			return true
		}
	}
	return false
}

// Fetch asks for all of it and does not wait.
func (l *Lines) Fetch() { fetch(&l.spans) }
