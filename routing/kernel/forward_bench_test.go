package kernel

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// forwarded is how many packets are timed together.
const forwarded = 1000

// BenchmarkForward is small packets of a client on their way through the kernel into the
// tunnel, whose device drops them, since nobody reads: without rules of ours, with those
// for a peer in a remote network, and with those for a network of the outer interface as
// well. The kernel does all of that within the system call that sends a packet. The three
// take turns, so that what disturbs the machine disturbs all of them, and what nine of
// ten turns took at least is shown.
func BenchmarkForward(b *testing.B) {
	outside := everything("203.0.113.5")
	outside.Outside = nets("198.51.100.0/24")
	cases := []struct {
		name  string
		rules int
		want  Desired
		took  []time.Duration
	}{
		{"without", 0, everything(), nil},
		{"peer", 5, outside, nil},
		{"peer-and-network", 7, everything("203.0.113.5"), nil},
	}
	inLab(b, func(l *lab) {
		l.run("sysctl", "-qw", "net.ipv4.conf.all.forwarding=1")
		send, frame := l.cable("lan0"), l.frame("lan0", "10.1.0.9", "9.9.9.9", 4501)
		before, sent := l.entered(), uint64(0)
		for b.Loop() {
			for i := range cases {
				c := &cases[i]
				l.must(l.k.Set(c.want))
				if n := l.fours(); n != c.rules {
					b.Fatalf("%s: there are %d rules of ours, not %d", c.name, n, c.rules)
				}
				began := time.Now()
				for range forwarded {
					send(frame)
				}
				c.took = append(c.took, time.Since(began))
				sent += forwarded
			}
		}
		if n := l.entered() - before; n+tunQueue < sent {
			b.Errorf("%d of %d packets came to the tunnel", n, sent)
		}
	})
	b.ReportMetric(0, "ns/op")
	for _, c := range cases {
		slices.Sort(c.took)
		b.ReportMetric(float64(c.took[len(c.took)/10])/forwarded, c.name+"-ns/packet")
	}
}

// tunQueue is how many packets wait in a TUN device, of which it says nothing.
const tunQueue = 500

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
