package tunnel

import (
	"math/rand/v2"
	"testing"
	"time"
)

// simulated is a path that the search is let loose on, with a clock that moves
// by the second.
type simulated struct {
	pathMTU
	now            time.Duration
	mtu            int // what it carries
	least, ceiling int
	loss           func() bool // of a probe that fits; nil: never
	packets        uint64      // sent so far; more each second
	idle           bool
	probes, lost   int
}

// run lets d pass.
func (s *simulated) run(d time.Duration) {
	for end := s.now + d; s.now < end; {
		s.now += time.Second
		if !s.idle {
			s.packets++
		}
		size, due := s.probe(s.now, s.least, s.ceiling, s.packets)
		if !due {
			continue
		}
		s.probes++
		answered := size <= s.mtu && (s.loss == nil || !s.loss())
		if !answered {
			s.now += 2 * time.Second // until its exchange was repeated
			s.lost++
		}
		s.probed(s.now, size, answered)
	}
}

// works is the MTU in use.
func (s *simulated) works() int {
	if outer := s.load(s.now); outer != 0 {
		return outer
	}
	return s.ceiling
}

// TestPathSearch finds every path MTU, without ICMP, in bounded time and with a
// bounded number of probes, and never uses one that was not answered once the
// largest was lost.
func TestPathSearch(t *testing.T) {
	for _, family := range []struct{ least, ceiling int }{{minMTU4, 1500}, {minMTU6, 1500}, {minMTU4, 9000}} {
		for mtu := family.least; mtu <= family.ceiling; mtu++ {
			s := &simulated{mtu: mtu, least: family.least, ceiling: family.ceiling}
			s.run(2 * time.Minute)
			if got := s.works(); got > mtu || got < mtu-searchStep {
				t.Errorf("%d..%d: a path of %d: found %d", family.least, family.ceiling, mtu, got)
			}
			if s.probes > 60 {
				t.Errorf("%d..%d: a path of %d: %d probes", family.least, family.ceiling, mtu, s.probes)
			}
		}
	}
}

// TestPathChanges: a path that shrinks in silence stops nothing for long, one
// that grows is used after a while, and nothing is probed on an idle one.
func TestPathChanges(t *testing.T) {
	s := &simulated{mtu: 1500, least: minMTU4, ceiling: 1500}
	s.run(time.Minute)
	if s.works() != 1500 || s.lost != 0 {
		t.Fatalf("at first: %d, %d probes of %d lost", s.works(), s.lost, s.probes)
	}
	s.mtu = 1400
	s.run(confirmInterval + 30*time.Second)
	if got := s.works(); got > 1400 {
		t.Errorf("a path that shrank: still %d", got)
	}
	s.run(time.Minute)
	if got := s.works(); got < 1400-searchStep || got > 1400 {
		t.Errorf("a path of 1400: %d", got)
	}
	before := s.probes
	s.run(time.Hour)
	if n := s.probes - before; n < 50 || n > 150 || s.works() < 1400-searchStep {
		t.Errorf("%d probes in an hour, at %d", n, s.works())
	}
	s.mtu = 1500
	s.run(pathMTULifetime + confirmInterval)
	if got := s.works(); got != 1500 {
		t.Errorf("a path that grew: %d", got)
	}
	before, s.idle = s.probes, true
	s.run(time.Hour)
	if n := s.probes - before; n > 1 {
		t.Errorf("%d probes of an idle path", n)
	}
}

// TestPathSearchWithLoss: loss delays the search and does not lead it astray.
func TestPathSearchWithLoss(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		s := &simulated{mtu: 1000 + random.IntN(501), least: minMTU4, ceiling: 1500, loss: func() bool { return random.IntN(50) == 0 }}
		s.run(10 * time.Minute)
		if got := s.works(); got > s.mtu || got < s.mtu-searchStep {
			t.Errorf("a path of %d: %d", s.mtu, got)
		}
	}
}

// TestPathRefused: what a router offers is confirmed, and more tried later.
func TestPathRefused(t *testing.T) {
	s := &simulated{mtu: 1500, least: minMTU4, ceiling: 1500}
	s.run(10 * time.Second)
	s.mtu = 1420
	s.lower(s.now, 1500, 1420)
	if got := s.works(); got != 1420 {
		t.Fatalf("at once: %d", got)
	}
	before := s.lost
	s.run(5 * time.Minute)
	if got := s.works(); got < 1420-searchStep || got > 1420 || s.lost > before+2*probeTries {
		t.Errorf("confirmed: %d, after %d lost probes", got, s.lost-before)
	}
	s.mtu = 1500
	s.run(pathMTULifetime)
	if got := s.works(); got != 1500 {
		t.Errorf("after the router is gone: %d", got)
	}
}

// TestPathUnanswered: a peer that answers no probes leaves all as without them.
func TestPathUnanswered(t *testing.T) {
	var p pathMTU
	now, probes := time.Duration(0), 0
	for range 600 {
		now += time.Second
		if _, due := p.probe(now, minMTU4, 1500, uint64(now)); due {
			probes++
		}
	}
	if p.load(now) != 0 || probes > 21 {
		t.Errorf("MTU %d, %d probes", p.load(now), probes)
	}
	p.probed(now, 1500, true)
	p.probed(now, 1400, false) // of nobody
	p.lower(now, 1500, 1400)
	if got := p.load(now); got != 1400 {
		t.Errorf("refused: %d", got)
	}
	if got := p.load(now + pathMTULifetime + 1); got != 0 {
		t.Errorf("later: %d", got)
	}
	p.lower(now, 1500, 1400)
	if p.reset(); p.load(now) != 0 {
		t.Error("another path has the MTU of the old")
	}
}
