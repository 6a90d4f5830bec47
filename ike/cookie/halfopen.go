package cookie

import (
	"container/list"
	"net/netip"
	"time"
)

// aggregate is what counts as one source: an IPv4 address, or the /64 of an IPv6 address, because whoever has one
// address of a /64 has them all (RFC 8019 §3).
func aggregate(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64) // fails only for a length that does not fit the family
		return p.Addr()
	}
	return a
}

// halfOpen counts the IKE SAs that wait for their IKE_AUTH, in total and per source. It forgets each after timeout,
// should nobody say that it is over, and never holds more than max.
type halfOpen struct {
	timeout time.Duration
	max     int

	order    *list.List                     // of opening, the oldest first
	bySource map[netip.Addr][]*list.Element // the oldest first, never empty
}

type opening struct {
	source  netip.Addr
	expires time.Time
}

func newHalfOpen(timeout time.Duration, limit int) *halfOpen {
	return &halfOpen{timeout: timeout, max: limit, order: list.New(), bySource: map[netip.Addr][]*list.Element{}}
}

func (h *halfOpen) total() int { return h.order.Len() }

func (h *halfOpen) of(source netip.Addr) int { return len(h.bySource[source]) }

// expire forgets what is older than timeout.
func (h *halfOpen) expire(now time.Time) {
	for e := h.order.Front(); e != nil; e = h.order.Front() {
		o := e.Value.(opening)
		if now.Before(o.expires) {
			return
		}
		h.removeOldest(o.source)
	}
}

// add counts one more; above max the oldest one makes room.
func (h *halfOpen) add(now time.Time, source netip.Addr) {
	if h.order.Len() >= h.max {
		h.removeOldest(h.order.Front().Value.(opening).source)
	}
	e := h.order.PushBack(opening{source: source, expires: now.Add(h.timeout)})
	h.bySource[source] = append(h.bySource[source], e)
}

// removeOldest forgets the oldest one of a source. The oldest of all is the oldest of its source.
func (h *halfOpen) removeOldest(source netip.Addr) {
	own := h.bySource[source]
	if len(own) == 0 {
		return
	}
	h.order.Remove(own[0])
	if len(own) == 1 {
		delete(h.bySource, source)
		return
	}
	own[0] = nil
	h.bySource[source] = own[1:]
}
