package main

import (
	"fmt"
	"strings"
)

// writer collects the lines of one assembly file.
type writer struct {
	lines  []string
	labels int
}

// ins adds one instruction, operands in Go's order: sources first.
func (w *writer) ins(mnemonic string, operands ...any) {
	texts := make([]string, len(operands))
	for i, o := range operands {
		texts[i] = fmt.Sprint(o)
	}
	w.lines = append(w.lines, strings.TrimRight("\t"+mnemonic+" "+strings.Join(texts, ", "), " "))
}

// note adds a comment line.
func (w *writer) note(format string, args ...any) {
	w.lines = append(w.lines, "\t// "+fmt.Sprintf(format, args...))
}

// raw adds a line as it is.
func (w *writer) raw(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

// at places a label.
func (w *writer) at(label string) { w.raw("%s:", label) }

// fresh names a label that no other place of the file has.
func (w *writer) fresh(prefix string) string {
	w.labels++
	return fmt.Sprintf("%s%d", prefix, w.labels)
}

// stream runs emit and returns the lines it would have added.
func (w *writer) stream(emit func()) []string {
	start := len(w.lines)
	emit()
	lines := append([]string(nil), w.lines[start:]...)
	w.lines = w.lines[:start]
	return lines
}

// interleave adds both streams, spread evenly over each other: two chains that
// do not depend on each other then keep the AES and the multiply unit busy at
// once. The order within each stream is kept.
func (w *writer) interleave(a, b []string) {
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if j == len(b) || i < len(a) && i*len(b) <= j*len(a) {
			w.lines = append(w.lines, a[i])
			i++
		} else {
			w.lines = append(w.lines, b[j])
			j++
		}
	}
}
