package translate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Direction says whose addresses a rule is about.
type Direction uint8

// The directions.
const (
	Egress  Direction = iota // hosts of this side
	Ingress                  // hosts of the peer's side
)

// Rule translates the addresses of one prefix to those of another.
type Rule struct {
	Inside, Outside netip.Prefix
	Direction       Direction
}

// ErrAmbiguous is for a packet with an address that is another's translation.
var ErrAmbiguous = errors.New("translate: the address is what another is translated to")

// Table is the rules of one connection. It is immutable; a nil Table translates
// nothing.
type Table struct{ egress, ingress rules }

// Compile makes the table, or tells what contradicts itself: every prefix must
// be valid, the two of a rule must be of one family and length, and in one
// direction no inside may overlap another, and no outside another.
func Compile(list []Rule) (*Table, error) {
	if len(list) == 0 {
		return nil, nil
	}
	t := &Table{}
	var problems []error
	for i, r := range list {
		r.Inside, r.Outside = r.Inside.Masked(), r.Outside.Masked()
		list := &t.egress
		if r.Direction == Ingress {
			list = &t.ingress
		}
		problem := r.problem()
		for _, other := range *list {
			if problem == nil && (other.inside.Overlaps(r.Inside) || other.outside.Overlaps(r.Outside)) {
				problem = fmt.Errorf("overlaps %v to %v", other.inside, other.outside)
			}
		}
		if problem != nil {
			problems = append(problems, fmt.Errorf("translate: rule %d, %v to %v: %w", i+1, r.Inside, r.Outside, problem))
			continue
		}
		*list = append(*list, compiled(r))
	}
	return t, errors.Join(problems...)
}

func (r *Rule) problem() error {
	switch {
	case !r.Inside.IsValid() || !r.Outside.IsValid() || r.Inside.Addr().Is4In6() || r.Outside.Addr().Is4In6():
		return errors.New("is not two IPv4 or IPv6 prefixes")
	case r.Inside.Addr().Is4() != r.Outside.Addr().Is4():
		return errors.New("mixes IPv4 and IPv6")
	case r.Inside.Bits() != r.Outside.Bits():
		return errors.New("has two lengths")
	case r.Inside == r.Outside:
		return errors.New("changes nothing")
	}
	return nil
}

// Outbound gives the addresses that a packet from src to dst has on its way to
// the peer.
func (t *Table) Outbound(src, dst netip.Addr) (netip.Addr, netip.Addr, error) {
	return t.outbound().addresses(src, dst)
}

// Inbound gives those that a packet of the peer has here.
func (t *Table) Inbound(src, dst netip.Addr) (netip.Addr, netip.Addr, error) {
	return t.inbound().addresses(src, dst)
}

// Local is what the peer knows a prefix of this side by, Remote what he calls a
// prefix that this side knows. A prefix that no rule holds whole stays as it is.
func (t *Table) Local(p netip.Prefix) netip.Prefix { return t.outbound().src.prefix(p) }

// Remote is explained at Local.
func (t *Table) Remote(p netip.Prefix) netip.Prefix { return t.outbound().dst.prefix(p) }

func (t *Table) outbound() way {
	if t == nil {
		return way{}
	}
	return way{src: mapping{t.egress, false}, dst: mapping{t.ingress, true}}
}

func (t *Table) inbound() way {
	if t == nil {
		return way{}
	}
	return way{src: mapping{t.ingress, false}, dst: mapping{t.egress, true}}
}

// way is what happens to the addresses of packets that go one way.
type way struct{ src, dst mapping }

// quoted is for a packet that an ICMP error brings back: it went the other way.
func (w way) quoted() way { return way{src: w.dst, dst: w.src} }

func (w way) addresses(src, dst netip.Addr) (netip.Addr, netip.Addr, error) {
	s, okSrc := w.src.apply(addressOf(src))
	d, okDst := w.dst.apply(addressOf(dst))
	if !okSrc || !okDst {
		return src, dst, ErrAmbiguous
	}
	return s.netip(), d.netip(), nil
}

// mapping is rules in one direction: from inside to outside, or back.
type mapping struct {
	rules
	back bool
}

// apply translates an address; false if it is ambiguous.
func (m mapping) apply(a address) (address, bool) {
	stranger := false
	for i := range m.rules {
		r := &m.rules[i]
		if r.v4 != a.v4 {
			continue
		}
		from, to := r.in, r.out
		if m.back {
			from, to = to, from
		}
		if a.high&r.mask.high == from.high && a.low&r.mask.low == from.low {
			a.high = a.high&^r.mask.high | to.high
			a.low = a.low&^r.mask.low | to.low
			return a, true
		}
		stranger = stranger || a.high&r.mask.high == to.high && a.low&r.mask.low == to.low
	}
	return a, !stranger
}

func (m mapping) prefix(p netip.Prefix) netip.Prefix {
	for i := range m.rules {
		r := &m.rules[i]
		from := r.inside
		if m.back {
			from = r.outside
		}
		if from.Overlaps(p) && from.Bits() <= p.Bits() {
			a, _ := m.apply(addressOf(p.Addr()))
			return netip.PrefixFrom(a.netip(), p.Bits())
		}
	}
	return p
}

type rules []rule

// rule is a Rule in a form that compares quickly.
type rule struct {
	v4              bool
	in, out, mask   address
	inside, outside netip.Prefix
}

func compiled(r Rule) rule {
	c := rule{
		v4: r.Inside.Addr().Is4(), in: addressOf(r.Inside.Addr()), out: addressOf(r.Outside.Addr()),
		inside: r.Inside, outside: r.Outside,
	}
	bits := r.Inside.Bits()
	if c.v4 {
		c.mask.low = uint64(^uint32(0) << (32 - bits))
		return c
	}
	c.mask.high = ^uint64(0) << (64 - min(bits, 64))
	c.mask.low = ^uint64(0) << (128 - max(bits, 64))
	return c
}

// address is one of IPv6, or one of IPv4 in the lower half.
type address struct {
	high, low uint64
	v4        bool
}

func addressOf(a netip.Addr) address {
	if a.Is4() {
		b := a.As4()
		return address4(b[:])
	}
	b := a.As16()
	return address6(b[:])
}

func address4(b []byte) address { return address{low: uint64(binary.BigEndian.Uint32(b)), v4: true} }

func address6(b []byte) address {
	return address{high: binary.BigEndian.Uint64(b), low: binary.BigEndian.Uint64(b[8:])}
}

func (a address) netip() netip.Addr {
	var b [16]byte
	n := a.put(b[:])
	out, _ := netip.AddrFromSlice(b[:n])
	return out
}

// put writes the address and tells how long it is.
func (a address) put(b []byte) int {
	if a.v4 {
		binary.BigEndian.PutUint32(b, uint32(a.low))
		return 4
	}
	binary.BigEndian.PutUint64(b, a.high)
	binary.BigEndian.PutUint64(b[8:], a.low)
	return 16
}
