package meter

import (
	"math/rand/v2"
	"testing"
	"time"
)

// site is a sender behind one class. It sends what its rate says, regardless
// of what is lost, as UDP does.
type site struct {
	class   *Class
	size    int    // of its packets
	rate    uint64 // bits a second that it offers; 0: silent
	batch   int    // packets that come together
	control bool
	ect     bool

	next                  time.Duration // when it sends again
	passed                uint64        // bytes
	packets, drops, marks int
	delays                []time.Duration // of each packet that passed, if wanted
	wantDelays            bool
}

// simulation runs a line and its sites in virtual time.
type simulation struct {
	t     *testing.T
	line  *Line
	sites []*site
	now   time.Duration
	due   time.Duration
	late  func() time.Duration // how much too late the releaser wakes
	out   []Released
	data  []byte
}

func newSimulation(t *testing.T, rate uint64) *simulation {
	s := &simulation{
		t: t, line: NewLine(rate), due: never, late: func() time.Duration { return 0 },
		out: make([]Released, 0, 64), data: make([]byte, 2048),
	}
	s.line.Wake = func() { s.due = s.now }
	return s
}

func (s *simulation) site(share Share, rate uint64) *site {
	x := &site{size: 1500, rate: rate, batch: 1}
	x.class = s.line.NewClass(share, x)
	x.next = s.now
	s.sites = append(s.sites, x)
	return x
}

// offer sends what is due at now.
func (s *simulation) offer(x *site) {
	for x.rate > 0 && x.next <= s.now {
		x.next += duration(x.size*x.batch, x.rate)
		if x.class.Admit(s.now, x.size*x.batch, x.control) {
			x.passed += uint64(x.size * x.batch)
			x.packets += x.batch
			if x.wantDelays {
				x.delays = append(x.delays, 0)
			}
			continue
		}
		for range x.batch {
			// The packet carries the time it was sent at.
			at := uint64(s.now)
			for i := range 8 {
				s.data[i] = byte(at >> (8 * i))
			}
			p := Packet{Data: s.data[:min(x.size, len(s.data))], Cost: x.size, Control: x.control, ECT: x.ect}
			if !x.class.Enqueue(s.now, &p) {
				x.drops++
			}
		}
	}
}

func (s *simulation) release() {
	for s.due <= s.now {
		s.out, s.due = s.line.Dequeue(s.now, s.out[:0])
		for _, r := range s.out {
			x := r.Class.Owner().(*site)
			switch r.Verdict {
			case Drop:
				x.drops++
				continue
			case Mark:
				x.marks++
			}
			x.passed += uint64(x.size)
			x.packets++
			if x.wantDelays {
				at := uint64(0)
				for i := range 8 {
					at |= uint64(r.Data[i]) << (8 * i)
				}
				x.delays = append(x.delays, s.now-time.Duration(at))
			}
		}
		s.line.Settle(s.out)
		if s.due != never {
			s.due += s.late()
		}
		if s.due <= s.now && len(s.out) < cap(s.out) {
			s.t.Fatal("Dequeue is due at once although it gave all that it had")
		}
	}
}

// run lets that much time pass.
func (s *simulation) run(d time.Duration) {
	end := s.now + d
	for {
		next := min(end, s.due)
		for _, x := range s.sites {
			if x.rate > 0 {
				next = min(next, x.next)
			}
		}
		s.now = max(s.now, next)
		if s.now >= end {
			s.now = end
			return
		}
		for _, x := range s.sites {
			s.offer(x)
		}
		s.release()
	}
}

// measured gives the bits a second that each site got in the next d.
func (s *simulation) measured(d time.Duration) []float64 {
	before := make([]uint64, len(s.sites))
	for i, x := range s.sites {
		before[i] = x.passed
	}
	s.run(d)
	out := make([]float64, len(s.sites))
	for i, x := range s.sites {
		out[i] = float64(x.passed-before[i]) * 8 / d.Seconds()
	}
	return out
}

func sum(rates []float64) (total float64) {
	for _, r := range rates {
		total += r
	}
	return total
}

// jain is Jain's index of fairness: 1 if all are equal.
func jain(rates []float64) float64 {
	squares := 0.0
	for _, r := range rates {
		squares += r * r
	}
	return sum(rates) * sum(rates) / (float64(len(rates)) * squares)
}

func within(t *testing.T, what string, got, want, part float64) {
	t.Helper()
	if got < want*(1-part) || got > want*(1+part) {
		t.Errorf("%s: %.3g, want %.3g within %.1f %%", what, got, want, part*100)
	}
}

const mbit = 1_000_000

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
