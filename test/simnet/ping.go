package simnet

import "time"

// ping is a stream of echo requests from a to b and of replies. Nothing waits for
// it: whenever a data path changes, and at the end, all packets until then are
// played, in order, against the SAs as they were.
type ping struct {
	started         bool
	next            time.Time // when the next request leaves
	toB, toA        []flight
	sent, answered  int
	lost            int // by the network
	unsent, unknown int // no SA to send on; an SPI that the receiver has not
}

// flight is one packet on its way.
type flight struct {
	spi     uint32
	arrives time.Time
}

// Ping starts a request every 20 ms from a to b.
func (n *Network) Ping() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pings = ping{started: true, next: time.Now()}
}

// Pinged ends the stream and tells what became of it.
func (n *Network) Pinged() (p ping) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pings.until(n, time.Now())
	p, n.pings = n.pings, ping{}
	return p
}

// until plays what happens before now.
func (p *ping) until(n *Network, now time.Time) {
	for p.started {
		at, what := p.next, 0
		if len(p.toB) > 0 && p.toB[0].arrives.Before(at) {
			at, what = p.toB[0].arrives, 1
		}
		if len(p.toA) > 0 && p.toA[0].arrives.Before(at) {
			at, what = p.toA[0].arrives, 2
		}
		switch {
		case !at.Before(now):
			return
		case what == 0:
			p.sent++
			p.next = p.next.Add(pingWait)
			p.toB = p.send(n, n.a, p.toB, at)
		case what == 1:
			spi := p.toB[0].spi
			p.toB = p.toB[1:]
			if p.receive(n.b, spi, at) {
				p.toA = p.send(n, n.b, p.toA, at)
			}
		default:
			spi := p.toA[0].spi
			p.toA = p.toA[1:]
			if p.receive(n.a, spi, at) {
				p.answered++
			}
		}
	}
}

// send puts a packet of h on the way.
func (p *ping) send(n *Network, h *Host, way []flight, at time.Time) []flight {
	if len(h.outbound) == 0 {
		p.unsent++
		return way
	}
	c := h.outbound[len(h.outbound)-1]
	h.carried[c.SPIIn][1]++
	if n.loses() {
		p.lost++
		return way
	}
	return append(way, flight{c.SPIOut, at.Add(latency)})
}

// receive tells whether h has the SA of a packet.
func (p *ping) receive(h *Host, spi uint32, at time.Time) bool {
	c := h.inbound[spi]
	if c == nil {
		p.unknown++
		return false
	}
	h.carried[spi][0]++
	h.heard[spi] = at
	return true
}
