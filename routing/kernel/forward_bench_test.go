package kernel

import (
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkForward is a small packet of a client on its way through the kernel into the
// tunnel, whose device drops it, since nobody reads: with our rules and without. The
// kernel does all of that within the system call that sends it.
func BenchmarkForward(b *testing.B) {
	for _, c := range []struct {
		name  string
		rules int
		want  func(l *lab) Desired
	}{
		{"without rules", 0, func(*lab) Desired { return everything() }},
		{"a peer inside", 5, func(*lab) Desired { return everything("203.0.113.5") }},
		{"a peer and the outer network inside", 7, func(l *lab) Desired {
			l.outer("203.0.113.7/24", "8.8.8.0/24")
			return everything("198.18.0.5")
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			inLab(b, func(l *lab) {
				l.run("sysctl", "-qw", "net.ipv4.conf.all.forwarding=1")
				l.must(l.k.Set(c.want(l)))
				if n := l.fours(); n != c.rules {
					b.Fatalf("there are %d rules of ours, not %d", n, c.rules)
				}
				send, frame := l.cable("lan0"), l.frame("lan0", "10.1.0.9", "9.9.9.9", 4501)
				before := l.entered()
				sent := uint64(0)
				for b.Loop() {
					send(frame)
					sent++
				}
				if n := l.entered() - before; n < sent {
					b.Errorf("%d of %d packets came to the tunnel", n, sent)
				}
			})
		})
	}
}

// fours is how many rules of ours IPv4 has.
func (l *lab) fours() (n int) {
	ours, _, err := l.k.rules()
	l.must(err)
	for _, r := range ours {
		if r.Family == unix.AF_INET {
			n++
		}
	}
	return n
}

// entered is how many packets were led to the tunnel, and dropped there or not.
func (l *lab) entered() uint64 {
	s := l.link(tunName).Attrs().Statistics
	return s.TxPackets + s.TxDropped
}
