package meter

import (
	"fmt"
	"testing"
	"time"
)

// TestGuarantees overloads a line by sites with different guarantees: each has
// its own and an equal part of what is left, and together they have the line.
func TestGuarantees(t *testing.T) {
	for _, rate := range []uint64{10 * mbit, 100 * mbit, 200 * mbit} {
		t.Run(fmt.Sprint(rate/mbit, " Mbit/s"), func(t *testing.T) {
			s := newSimulation(t, rate)
			guarantees := []uint64{rate / 2, rate / 4, rate / 10, 0, 0}
			for _, g := range guarantees {
				s.site(Share{Guarantee: g, Weight: 1}, 2*rate)
			}
			s.run(time.Second)
			got := s.measured(2 * time.Second)
			within(t, "total", sum(got), float64(rate), 0.02)
			left := rate - rate/2 - rate/4 - rate/10
			for i, g := range guarantees {
				within(t, fmt.Sprint("site ", i), got[i], float64(g)+float64(left)/5, 0.03)
			}
		})
	}
}

// TestWeights shares a line in proportion to weights that lie far apart, also
// between packets of different sizes.
func TestWeights(t *testing.T) {
	s := newSimulation(t, 100*mbit)
	weights := []int{1, 2, 10, 87, 900}
	for i, w := range weights {
		s.site(Share{Weight: w}, 150*mbit).size = []int{1500, 100, 700, 1500, 64}[i]
	}
	s.run(time.Second)
	got := s.measured(3 * time.Second)
	within(t, "total", sum(got), 100*mbit, 0.02)
	for i, w := range weights {
		within(t, fmt.Sprint("weight ", w), got[i], 100*mbit/1000*float64(w), 0.05)
	}
}

// TestFairness holds Jain's index of equal weights above 0.98, when the senders
// are not equal: in rate, in size and in how much comes together.
func TestFairness(t *testing.T) {
	s := newSimulation(t, 100*mbit)
	for i := range 10 {
		x := s.site(Share{}, uint64(15+30*i)*mbit)
		x.size, x.batch = 200+130*i, 1+4*i
	}
	s.run(time.Second)
	got := s.measured(2 * time.Second)
	if j := jain(got); j < 0.98 {
		t.Errorf("Jain's index is %.4f: %.3g", j, got)
	}
	within(t, "total", sum(got), 100*mbit, 0.02)
}

// TestLending: what a guaranteed site does not use is lent within 200 ms, and
// given back within 200 ms.
func TestLending(t *testing.T) {
	s := newSimulation(t, 100*mbit)
	owner := s.site(Share{Guarantee: 80 * mbit}, 120*mbit)
	s.site(Share{}, 120*mbit)
	s.run(time.Second)
	within(t, "owner", s.measured(time.Second)[0], 90*mbit, 0.03)
	owner.rate = 0
	s.run(200 * time.Millisecond)
	within(t, "borrower", s.measured(time.Second)[1], 100*mbit, 0.02)
	owner.rate, owner.next = 120*mbit, s.now
	s.run(200 * time.Millisecond)
	within(t, "owner again", s.measured(time.Second)[0], 90*mbit, 0.03)
}

// TestIdleSite pings through a site that is otherwise idle while others
// overload the line.
func TestIdleSite(t *testing.T) {
	for _, guarantee := range []uint64{0, 10 * mbit} {
		s := newSimulation(t, 100*mbit)
		for range 4 {
			s.site(Share{Guarantee: 20 * mbit}, 200*mbit).batch = 40
		}
		ping := s.site(Share{Guarantee: guarantee}, 64*8*128)
		ping.size, ping.wantDelays = 128, true
		s.run(2 * time.Second)
		worst := time.Duration(0)
		for _, d := range ping.delays {
			worst = max(worst, d)
		}
		if worst > 2*time.Millisecond || len(ping.delays) < 100 || ping.drops > 0 {
			t.Errorf("guarantee %d: of %d pings %d were lost and one waited %v", guarantee, len(ping.delays), ping.drops, worst)
		}
	}
}

// TestCeiling holds a site at its ceiling though the line is idle, without
// making others wait, and borrows up to it only.
func TestCeiling(t *testing.T) {
	for _, rate := range []uint64{0, 100 * mbit} {
		s := newSimulation(t, rate)
		low := s.site(Share{Ceiling: 10 * mbit}, 50*mbit)
		low.batch = 10
		other := s.site(Share{}, 30*mbit)
		other.wantDelays = true
		s.run(time.Second)
		got := s.measured(2 * time.Second)
		within(t, "at the ceiling", got[0], 10*mbit, 0.02)
		within(t, "below", got[1], 30*mbit, 0.001)
		for _, d := range other.delays {
			if d > time.Millisecond {
				t.Fatalf("rate %d: a packet of the other site waited %v", rate, d)
			}
		}
		if limited := low.class.Limited(s.now); limited < 2900*time.Millisecond || limited > 3*time.Second {
			t.Errorf("the site was at its ceiling for %v of 3 s", limited)
		}
		if limited := other.class.Limited(s.now); limited > 10*time.Millisecond {
			t.Errorf("the other was at its ceiling for %v", limited)
		}
	}
}

// TestControl: control traffic of an overloaded site does not wait, cannot
// starve others, and goes first where it exceeds its allowance.
func TestControl(t *testing.T) {
	s := newSimulation(t, 100*mbit)
	for range 4 {
		s.site(Share{}, 100*mbit)
	}
	hello := s.site(Share{}, 64*mbit/1000)
	hello.class, hello.size, hello.control, hello.wantDelays = s.sites[0].class, 100, true, true
	s.run(time.Second)
	if hello.drops > 0 {
		t.Errorf("%d control packets were lost", hello.drops)
	}
	for _, d := range hello.delays {
		if d > 0 {
			t.Fatalf("a control packet waited for %v", d)
		}
	}

	s = newSimulation(t, 100*mbit)
	for range 4 {
		s.site(Share{}, 100*mbit)
	}
	s.sites[0].control = true
	s.run(time.Second)
	got := s.measured(2 * time.Second)
	within(t, "total", sum(got), 100*mbit, 0.02)
	if got[0] > (25+4)*mbit || got[1] < 23*mbit {
		t.Errorf("who calls everything control gets %.3g, another %.3g", got[0], got[1])
	}
}

// TestControlPart: the allowance of control traffic follows how many classes there are,
// the line's rate and the class's ceiling.
func TestControlPart(t *testing.T) {
	l := NewLine(8e6)
	l.contended.Store(true)
	c := l.NewClass(Share{}, nil)
	now := time.Duration(0)
	want := func(what string, rate float64) {
		t.Helper()
		const length = 10 * time.Second
		bits := 0.0
		for end := now + length; now < end; now += time.Millisecond {
			for c.Admit(now, 100, true) {
				bits += 800
			}
		}
		within(t, what, bits/length.Seconds(), rate, 0.03)
	}
	want("alone", 1e6)
	others := []*Class{l.NewClass(Share{}, nil), l.NewClass(Share{}, nil), l.NewClass(Share{}, nil)}
	want("one of four", 250e3)
	l.Set(16e6)
	want("of twice the line", 500e3)
	c.Set(Share{Ceiling: 800e3})
	want("with a ceiling", 100e3)
	c.Set(Share{})
	for _, o := range others {
		o.Close()
	}
	want("alone again", 2e6)
}

// TestCharge sends beside the classes: they make room, but for a flood of it
// only an eighth of the line.
func TestCharge(t *testing.T) {
	for _, c := range []struct{ offered, left float64 }{{5 * mbit, 95 * mbit}, {300 * mbit, 87.5 * mbit}} {
		s := newSimulation(t, 100*mbit)
		s.site(Share{}, 200*mbit)
		next := time.Duration(0)
		s.late = func() time.Duration {
			for ; next < s.now; next += duration(1000, uint64(c.offered)) {
				s.line.Charge(s.now, 1000)
			}
			return 0
		}
		s.run(200 * time.Millisecond)
		within(t, fmt.Sprintf("beside %.3g", c.offered), s.measured(time.Second)[0], c.left, 0.01)
	}
}

// TestLateReleases wakes up the releaser late, as a busy machine does: nothing
// is lost of the rate.
func TestLateReleases(t *testing.T) {
	s := newSimulation(t, 100*mbit)
	random := seeded(7)
	s.late = func() time.Duration { return time.Duration(random.Int64N(int64(3 * time.Millisecond))) }
	for range 3 {
		s.site(Share{Guarantee: 20 * mbit}, 80*mbit)
	}
	s.run(time.Second)
	got := s.measured(2 * time.Second)
	within(t, "total", sum(got), 100*mbit, 0.02)
	if j := jain(got); j < 0.99 {
		t.Errorf("Jain's index is %.4f", j)
	}
}

// TestMarks: where packets know ECN, CoDel marks them and drops none that
// there is room for; the others it drops.
func TestMarks(t *testing.T) {
	s := newSimulation(t, 10*mbit)
	x := s.site(Share{}, 101*mbit/10)
	x.ect = true
	s.run(3 * time.Second)
	if x.marks == 0 || x.drops > 0 {
		t.Errorf("with ECN: %d marks, %d drops", x.marks, x.drops)
	}
	s = newSimulation(t, 10*mbit)
	x = s.site(Share{}, 101*mbit/10)
	s.run(3 * time.Second)
	if x.marks > 0 || x.drops == 0 {
		t.Errorf("without ECN: %d marks, %d drops", x.marks, x.drops)
	}
}

// TestSet changes rates while packets wait.
func TestSet(t *testing.T) {
	s := newSimulation(t, 100*mbit)
	a, b := s.site(Share{}, 200*mbit), s.site(Share{}, 200*mbit)
	s.run(time.Second)
	s.line.Set(50 * mbit)
	a.class.Set(Share{Guarantee: 30 * mbit})
	b.class.Set(Share{Ceiling: 10 * mbit})
	s.run(200 * time.Millisecond)
	got := s.measured(time.Second)
	within(t, "guaranteed", got[0], 40*mbit, 0.03)
	within(t, "at the ceiling", got[1], 10*mbit, 0.03)
	s.line.Set(0)
	b.class.Set(Share{})
	s.run(200 * time.Millisecond)
	got = s.measured(time.Second)
	within(t, "unlimited", got[0], 200*mbit, 0.001)
	within(t, "unlimited", got[1], 200*mbit, 0.001)
}

// TestClose takes a class away while its packets wait.
func TestClose(t *testing.T) {
	s := newSimulation(t, 100*mbit)
	a, b := s.site(Share{}, 200*mbit), s.site(Share{}, 200*mbit)
	s.run(time.Second)
	a.class.Close()
	a.class.Close()
	a.rate = 0
	if a.class.Enqueue(s.now, &Packet{Data: []byte{1}, Cost: 1}) {
		t.Error("a closed class takes packets")
	}
	within(t, "the other", s.measured(time.Second)[1], 100*mbit, 0.02)
	b.rate = 0
	s.run(time.Second)
	s.line.Settle(nil)
	if s.line.pool.lent != 0 || s.due != never {
		t.Errorf("%d chunks are still lent, and Dequeue is due at %v", s.line.pool.lent, s.due)
	}
}

// TestBounds fills the queues of very many sites: memory stays bounded, and
// each can still hold something.
func TestBounds(t *testing.T) {
	line := NewLine(64e3)
	classes := make([]*Class, 3000)
	for i := range classes {
		classes[i] = line.NewClass(Share{}, nil)
	}
	held := make([]int, len(classes))
	data := make([]byte, 60000)
	for range 3 {
		for i, c := range classes {
			if c.Enqueue(1, &Packet{Data: data, Cost: 10000}) {
				held[i]++
			}
		}
	}
	total := 0
	for _, n := range held {
		total += n
	}
	if line.pool.lent > maxChunks || total > maxChunks {
		t.Errorf("%d chunks hold %d packets", line.pool.lent, total)
	}
	if total < maxChunks/2 {
		t.Errorf("only %d packets were held", total)
	}
}

// TestClosedClasses: what waits when its class is closed gives its memory back, though
// nothing else of the line leaves.
func TestClosedClasses(t *testing.T) {
	const tbit = 1e12
	l := NewLine(tbit)
	full := func() (classes []*Class) {
		for range maxChunks {
			c := l.NewClass(Share{Ceiling: tbit}, nil)
			classes = append(classes, c)
			for c.Enqueue(1, &Packet{Data: make([]byte, chunkSize), Cost: fullPacket}) {
			}
			if c.packets.count == 0 {
				return classes
			}
		}
		t.Fatal("there is no end of memory")
		return nil
	}
	for round := range 3 {
		classes := full()
		if l.pool.lent != maxChunks {
			t.Fatalf("round %d: %d chunks are lent", round, l.pool.lent)
		}
		for _, c := range classes {
			c.Close()
		}
		out, due := l.Dequeue(2, make([]Released, 0, 8))
		if len(out) > 0 || due != never {
			t.Errorf("after all is closed %d packets leave, and the next at %v", len(out), due)
		}
		if l.pool.lent != 0 {
			t.Fatalf("%d chunks are lent to nobody", l.pool.lent)
		}
	}
}
