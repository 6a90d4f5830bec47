package udp

import (
	"bytes"
	"testing"
)

func FuzzParseControl(f *testing.F) {
	var c controlBuffer
	w := controlWriter{b: c.bytes()}
	w.segment(1472)
	w.tos(false, 3)
	w.source(v4)
	f.Add(c.bytes()[:w.n])
	w = controlWriter{b: c.bytes()}
	w.tos(true, 3)
	w.source(v6)
	f.Add(c.bytes()[:w.n])
	f.Fuzz(func(t *testing.T, b []byte) {
		var aligned controlBuffer
		n := copy(aligned.bytes(), b)
		parseControl(aligned.bytes()[:n])
	})
}

func FuzzSegments(f *testing.F) {
	f.Add([]byte("abcdefg"), 3)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, payload []byte, size int) {
		if size < 0 || size > len(payload) || size == 0 && len(payload) > 0 {
			return
		}
		m := Message{Payload: payload, SegmentSize: size}
		var joined []byte
		for i := range m.Segments() {
			s := m.Segment(i)
			if len(s) == 0 || len(s) > size || cap(s) != len(s) {
				t.Fatalf("segment %d: len %d cap %d", i, len(s), cap(s))
			}
			Classify(s)
			joined = append(joined, s...)
		}
		if !bytes.Equal(joined, payload) {
			t.Fatal("segments do not add up to the payload")
		}
	})
}
