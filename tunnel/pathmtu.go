package tunnel

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// pathMTULifetime is how long a path MTU is believed that nothing confirms
	// (RFC 1191 §6.3 recommends 10 minutes before trying a larger one), and how
	// long after a search a larger one is looked for (RFC 8899 §5.1.1:
	// PMTU_RAISE_TIMER).
	pathMTULifetime = 10 * time.Minute
	// confirmInterval is how long packets go out before the path is asked whether
	// it still carries them (RFC 8899 §5.1.1: CONFIRMATION_TIMER).
	confirmInterval = time.Minute
	// probeTries is how often a size has to be lost to be too large (RFC 8899
	// §5.1.2: MAX_PROBES).
	probeTries = 3
	// probePause is at least between two probes of a connection.
	probePause = 500 * time.Millisecond
	// probeTimeout is when a probe that nobody reported on is forgotten. It says
	// nothing of the path then: perhaps it was never sent.
	probeTimeout = 30 * time.Second
	// baseMTU is what a path is expected to carry at least (RFC 8899 §5.1.2:
	// BASE_PLPMTU).
	baseMTU = 1280
	// searchStep is how exactly the path MTU is found.
	searchStep = 4
)

// plateaus are the path MTUs to try below one that was too large, when nobody
// knows better: RFC 1191 §7.1, with what PPPoE and common tunnels leave of 1500.
var plateaus = [...]int{32000, 17914, 8900, 4352, 2002, 1492, 1480, 1450, 1420, 1400, 1360, 1280, 1006, 576}

// pathMTU is the outer path MTU of a connection while it is lower than the
// configured one. It is lowered by the local kernel's EMSGSIZE, by ICMP that
// proves to be about packets of ours (pathError), and by probes that got lost;
// and it is found by probes (RFC 8899). Only load is for every packet.
type pathMTU struct {
	outer atomic.Int32 // 0: as configured
	until atomic.Int64 // Tunnel.now after which outer is forgotten

	mu sync.Mutex
	search
}

// search is the search for the largest packet that a path carries: the states
// of RFC 8899 §5.2 in the form of what is known. It knows no clock and sends
// nothing. The size is that of an IP packet.
type search struct {
	least, ceiling int // of any path; of this gateway
	good           int // answered; 0: nothing yet
	bad            int // lost, or said to be too large; 0: nothing yet
	size           int // of the probe on its way; 0: none
	tries          int // of the size probed last that were lost
	last           int // the size probed last
	sentAt, nextAt time.Duration
	raiseAt        time.Duration // when sizes that were bad get another chance; 0: there are none
	raised         int           // what was bad before they got it; 0: not under way
	packets        uint64        // sent by the connection when last confirmed
}

// load is the lowered MTU, or 0.
func (p *pathMTU) load(now time.Duration) int {
	outer := p.outer.Load()
	if outer != 0 && now > time.Duration(p.until.Load()) {
		p.outer.CompareAndSwap(outer, 0)
		return 0
	}
	return int(outer)
}

// lower learns that outer was too large a packet. known is what whoever refused
// it offers instead, 0 if that is not said.
func (p *pathMTU) lower(now time.Duration, outer, known int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known <= 0 || known >= outer {
		known = minMTU4
		for _, plateau := range plateaus {
			if plateau < outer {
				known = plateau
				break
			}
		}
	}
	if current := p.load(now); current != 0 && current <= known {
		return
	}
	p.refused(now, known)
	p.until.Store(int64(now + pathMTULifetime))
	p.outer.Store(int32(known))
}

// keep makes outer the MTU as long as probes are answered. mu is held.
func (p *pathMTU) keep(now time.Duration, outer int) {
	p.until.Store(int64(now + pathMTULifetime + 2*confirmInterval))
	if outer >= p.ceiling {
		outer = 0
	}
	p.outer.Store(int32(outer))
}

// reset forgets all, for another path.
func (p *pathMTU) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outer.Store(0)
	p.search = search{}
}

// probe is the size to probe now, if one is due. packets is how many the
// connection has sent; without any there is nothing to confirm.
func (p *pathMTU) probe(now time.Duration, least, ceiling int, packets uint64) (size int, due bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ceiling != ceiling || p.least != least {
		p.search = search{least: least, ceiling: ceiling}
		if outer := p.load(now); outer != 0 {
			p.bad = outer + 1
		}
	}
	return p.due(now, packets)
}

// probed takes the result of a probe: whether it was answered, or lost while the
// peer was heard otherwise.
func (p *pathMTU) probed(now time.Duration, size int, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size != size || size == 0 {
		return // late, or of another search
	}
	p.size = 0
	p.nextAt = now + probePause
	if answered {
		p.answered(size)
	} else if !p.lost(now, size) {
		return
	}
	if p.finished() {
		p.nextAt, p.raised = now+confirmInterval, 0
		if p.raiseAt == 0 && p.good < p.ceiling {
			p.raiseAt = now + pathMTULifetime
		}
	}
	p.keep(now, p.usable(p.load(now)))
}

// probePaths asks for the probes that are due.
func (t *Tunnel) probePaths() {
	if t.cfg.OnProbe == nil {
		return
	}
	now, most := t.now(), t.cfg.OuterMTU
	for name, c := range t.forwarding.Load().connections {
		children := c.outbound.Load().children
		if len(children) == 0 {
			continue
		}
		if size, due := c.path.probe(now, leastMTU(children[0].remote), most, c.counters.sent.packets.Load()); due {
			t.cfg.OnProbe(name, size, most)
		}
	}
}

// Probed takes the answer to an OnProbe: the peer had the packet, or it had
// other packets and not this.
func (t *Tunnel) Probed(connection string, size int, answered bool) {
	if c := t.forwarding.Load().connections[connection]; c != nil {
		c.path.probed(t.now(), size, answered)
	}
}

// PathMTU is what packets to the connection's peer may have now, with the outer
// IP header.
func (t *Tunnel) PathMTU(connection string) int {
	if c := t.forwarding.Load().connections[connection]; c != nil {
		if outer := c.path.load(t.now()); outer != 0 {
			return outer
		}
	}
	return t.cfg.OuterMTU
}

// usable is the MTU to work with by what the search knows; outer is the one in
// use, or 0.
func (s *search) usable(outer int) int {
	switch {
	case s.good != 0 && (s.bad != 0 || s.good == s.ceiling):
		return s.good // found, or on the way up
	case s.bad == 0:
		return outer // nothing speaks against it
	case s.bad <= baseMTU:
		return s.least
	}
	return min(max(s.least, baseMTU), s.bad-1)
}

// due chooses what to probe next and when.
func (s *search) due(now time.Duration, packets uint64) (size int, due bool) {
	switch {
	case s.size != 0 && now-s.sentAt < probeTimeout, now < s.nextAt:
		return 0, false
	case s.finished():
		if s.raiseAt != 0 && now >= s.raiseAt {
			s.raised, s.bad, s.raiseAt = s.bad, 0, 0
			break
		}
		if packets == s.packets {
			return 0, false
		}
	}
	size = s.choose()
	if size == 0 {
		return 0, false
	}
	if size != s.last {
		s.tries = 0
	}
	s.size, s.last, s.sentAt, s.packets = size, size, now, packets
	return size, true
}

// choose is the size to probe: the largest first, for most paths carry it; then
// what every path should carry; then by halves. After the search, what was found.
func (s *search) choose() int {
	switch {
	case s.ceiling <= s.least:
		return 0
	case s.finished():
		return s.good
	case s.bad == 0:
		return s.ceiling
	case s.raised > s.good && s.good != 0 && s.raised < s.bad:
		return s.raised // most likely nothing has changed
	case s.good == 0 && s.bad > baseMTU && s.least < baseMTU:
		return min(baseMTU, s.bad-1)
	case s.good == 0:
		return s.least
	}
	return s.good + max((s.bad-s.good)/2&^(searchStep-1), 1)
}

// finished tells whether the path MTU is known as exactly as wanted.
func (s *search) finished() bool {
	return s.good != 0 && (s.good >= s.ceiling || s.bad != 0 && s.bad-s.good <= searchStep)
}

func (s *search) answered(size int) {
	s.tries = 0
	s.good = max(s.good, size)
	if s.bad != 0 && s.bad <= s.good {
		s.bad = 0 // it was not the size that was the matter
	}
}

// lost tells whether the size counts as too large now.
func (s *search) lost(now time.Duration, size int) bool {
	if s.tries++; s.tries < probeTries {
		return false
	}
	s.tries = 0
	if size <= s.least {
		s.nextAt = now + confirmInterval // every path carries that: something else is the matter
		return false
	}
	s.bad = size
	if s.good >= size {
		s.good = 0 // the path carried it once and does not any more
	}
	return true
}

// refused notes that known is the most that somebody on the path takes. It is
// asked for at once, and for more after a while.
func (s *search) refused(now time.Duration, known int) {
	s.bad, s.raiseAt = known+1, now+pathMTULifetime
	if s.good > known {
		s.good = 0
	}
	s.size, s.nextAt, s.last, s.raised = 0, now+probePause, 0, 0
}
