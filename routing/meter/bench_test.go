package meter

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkAdmit is what a batch costs when nothing waits.
func BenchmarkAdmit(b *testing.B) {
	for _, share := range []Share{{}, {Ceiling: 1e13}} {
		for _, n := range []int{1, 1000} {
			b.Run(fmt.Sprintf("ceiling=%v/classes=%d", share.Ceiling > 0, n), func(b *testing.B) {
				line := NewLine(1e13)
				classes := make([]*Class, n)
				for i := range classes {
					classes[i] = line.NewClass(share, nil)
				}
				now := time.Second
				for i := 0; b.Loop(); i++ {
					now += 100 * time.Microsecond
					if !classes[i%n].Admit(now, 65536, false) {
						b.Fatal("refused")
					}
				}
			})
		}
	}
}

func BenchmarkAdmitParallel(b *testing.B) {
	line := NewLine(1e13)
	b.RunParallel(func(p *testing.PB) {
		c := line.NewClass(Share{}, nil)
		for now := time.Second; p.Next(); now += 100 * time.Microsecond {
			c.Admit(now, 65536, false)
		}
	})
}

// BenchmarkQueue is what a packet costs that has to wait, with so many classes
// waiting.
func BenchmarkQueue(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint("classes=", n), func(b *testing.B) {
			line := NewLine(1e9)
			classes := make([]*Class, n)
			packet := Packet{Data: make([]byte, 1400), Cost: 1500}
			now := time.Second
			for i := range classes {
				classes[i] = line.NewClass(Share{Guarantee: 1e9 / 2 / uint64(n)}, nil)
				classes[i].Enqueue(now, &packet)
			}
			out := make([]Released, 0, 1)
			b.SetBytes(1400)
			b.ReportAllocs()
			for b.Loop() {
				for now, out = now+12*time.Microsecond, out[:0]; len(out) == 0; now += 12 * time.Microsecond {
					out, _ = line.Dequeue(now, out)
				}
				class := out[0].Class
				line.Settle(out)
				class.Enqueue(now, &packet)
			}
		})
	}
}

// BenchmarkNewClass is what it costs that one comes and goes beside a thousand.
func BenchmarkNewClass(b *testing.B) {
	line := NewLine(1e9)
	for range 1000 {
		line.NewClass(Share{}, nil)
	}
	for b.Loop() {
		line.NewClass(Share{}, nil).Close()
	}
}
