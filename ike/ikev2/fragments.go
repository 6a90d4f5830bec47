package ikev2

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// Messages in several datagrams (RFC 7383): cutting ours, and putting those of
// the peer together. IKE_SA_INIT is never cut. Both ends announce that they
// can; a message is cut where its datagram would be longer than the path is
// known, or configured, to carry, and cut anew into the smallest pieces that
// every path carries when nobody answers.

const (
	// DefaultFragmentSize is what an IP datagram with IKE is kept within: every
	// path of IPv6 carries it, and nearly every one of IPv4.
	DefaultFragmentSize = 1280
	// minFragmentSize4 and 6 are what every path carries (RFC 7383 §2.5.1).
	minFragmentSize4 = 576
	minFragmentSize6 = 1280
	// recutAttempt is the retransmission that a message is cut anew for: what
	// got no answer until then may be too long for the path (RFC 7383 §2.5.2).
	recutAttempt = 2

	// What one message of the peer may make us hold.
	maxFragments   = 128
	maxAssembled   = wire.MaxMessageLen
	assemblyPeriod = 60 * time.Second
)

// errPartial is an authentic fragment of a message that is not complete yet.
var errPartial = errors.New("ikev2: the message is not complete")

// draft is a message of ours before encryption. It is kept for the case that it
// has to be cut anew.
type draft struct {
	header   wire.Header
	first    wire.PayloadType
	reserved byte // of the peer's: the octet behind first, as received
	plain    []byte
}

// draftOf lays the payloads of a message out.
func draftOf(h wire.Header, payloads []wire.Payload) (draft, error) {
	plain, err := wire.AppendPayloads(nil, payloads)
	return draft{header: h, first: wire.FirstType(payloads), plain: plain}, err
}

// smallest is what every path between the addresses carries.
func smallest(remote netip.Addr) int {
	if remote.Unmap().Is4() {
		return minFragmentSize4
	}
	return minFragmentSize6
}

// room is how many octets of IKE fit into an IP datagram of size octets to
// remote, with UDP and the non-ESP marker.
func room(size int, remote netip.Addr) int {
	const udp, marker = 8, 4
	if remote.Unmap().Is4() {
		return size - 20 - udp - marker
	}
	return size - 40 - udp - marker
}

// seal makes the datagrams of a message (RFC 7296 §3.14, RFC 7383 §2.5.1): one,
// or several where both ends can fragment and it is longer than the limit.
func (a *association) seal(m draft, random io.Reader) ([][]byte, error) {
	return a.sealAgain(m, 0, random)
}

// sealAgain is seal for a message that was sent in before datagrams already: if it
// goes in several now, in more than that. By their number the peer tells the pieces
// of the one cut from those of the other (RFC 7383 §2.5.2).
func (a *association) sealAgain(m draft, before int, random io.Reader) ([][]byte, error) {
	whole := wire.HeaderLen + wire.GenericHeaderLen + len(m.plain) + a.outgoing.Overhead(len(m.plain))
	limit := room(a.fragmentSize, a.remote.Addr())
	if a.fragmentSize == 0 || whole <= limit {
		raw, err := a.sealWhole(m, random)
		return [][]byte{raw}, err
	}
	piece := a.pieceLen(limit)
	count := func() int { return (len(m.plain) + piece - 1) / piece }
	for count() <= before && piece > 1 {
		piece--
	}
	total := count()
	if total > maxFragments {
		return nil, fmt.Errorf("ikev2: a message of %d octets does not fit into %d fragments", len(m.plain), maxFragments)
	}
	out := make([][]byte, total)
	for i := range out {
		part := m.plain[i*piece : min((i+1)*piece, len(m.plain))]
		sealed := len(part) + a.outgoing.Overhead(len(part))
		prefix, err := wire.AppendEncryptedFragment(nil, m.header, m.first, uint16(i+1), uint16(total), sealed)
		if err != nil {
			return nil, err
		}
		if out[i], err = a.outgoing.Seal(prefix, prefix, part, random); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a *association) sealWhole(m draft, random io.Reader) ([]byte, error) {
	prefix, err := wire.AppendEncrypted(nil, m.header, m.first, len(m.plain)+a.outgoing.Overhead(len(m.plain)))
	if err != nil {
		return nil, err
	}
	return a.outgoing.Seal(prefix, prefix, m.plain, random)
}

// pieceLen is how much of a message goes into one fragment: with what
// encryption adds to it, it fills limit octets of IKE at most.
func (a *association) pieceLen(limit int) int {
	limit -= wire.HeaderLen + wire.GenericHeaderLen + wire.FragmentFieldsLen
	n := limit
	for n > 1 && n+a.outgoing.Overhead(n) > limit {
		n--
	}
	return n
}

// assembly is a message of the peer of which fragments are missing (RFC 7383
// §2.6). Only authentic fragments come in here.
type assembly struct {
	header  wire.Header
	first   wire.PayloadType
	parts   [][]byte // by number; nil while missing
	missing int
	held    int // octets of plaintext
	size    int // octets of all fragments as received
	lead    []byte
	endAt   time.Time
}

// clear gives up what was collected.
func (p *assembly) clear() { *p = assembly{} }

// collects reports whether a fragment may be of use: it belongs to the message
// that is being put together and is missing there, or begins another.
func (p *assembly) collects(h wire.Header, f *wire.EncryptedFragment) bool {
	switch {
	case p.parts == nil || h.MessageID != p.header.MessageID:
		return true
	case int(f.Total) != len(p.parts):
		return int(f.Total) > len(p.parts) // cut anew, into smaller pieces
	}
	return p.parts[f.Number-1] == nil
}

// add takes an authentic fragment on. The plaintext of the whole comes with the
// last one that was missing.
func (p *assembly) add(h wire.Header, f *wire.EncryptedFragment, plain []byte, d sa.Datagram, now time.Time) error {
	if len(p.parts) != int(f.Total) || h.MessageID != p.header.MessageID {
		*p = assembly{header: h, parts: make([][]byte, f.Total), missing: int(f.Total), endAt: now.Add(assemblyPeriod)}
	}
	if p.held += len(plain); p.held > maxAssembled {
		p.clear()
		return &syntaxError{"fragments of more octets than a message can have"}
	}
	if f.Number == 1 {
		p.first, p.lead = f.First, d.Raw
	}
	p.parts[f.Number-1] = append([]byte{}, plain...) // an empty one is not a missing one
	p.size += len(d.Raw)
	p.missing--
	return nil
}

// collect opens one fragment. The message comes with the last that was missing,
// and errPartial until then.
func (a *association) collect(outer *wire.Message, f *wire.EncryptedFragment, d sa.Datagram, now time.Time) (*message, bool, error) {
	p := &a.requests
	if outer.Flags.Response() {
		p = &a.answers
	}
	switch {
	case a.fragmentSize == 0:
		return nil, false, errors.New("ikev2: a fragment, and fragmentation was not agreed")
	case f.Total > maxFragments:
		return nil, false, fmt.Errorf("ikev2: a message of %d fragments, at most %d are taken", f.Total, maxFragments)
	case !p.collects(outer.Header, f):
		return nil, true, errPartial
	}
	plain, err := a.incoming.Open(d.Raw, f.Offset)
	if err != nil && err != transform.ErrPadding {
		return nil, false, err
	}
	msg := &message{Header: outer.Header, raw: d.Raw, size: len(d.Raw), fragments: int(f.Total), local: d.Local, remote: d.Remote}
	if err != nil {
		return msg, true, &syntaxError{err.Error()}
	}
	if err := p.add(outer.Header, f, plain, d, now); err != nil {
		return msg, true, err
	}
	if p.missing > 0 {
		return nil, true, errPartial
	}
	msg.raw, msg.size, msg.first = p.lead, p.size, p.first
	for _, part := range p.parts {
		msg.plain = append(msg.plain, part...)
	}
	p.clear()
	return msg, true, msg.parse()
}

// recut gives what to send when the request on its way is repeated: it is cut
// anew, into the smallest pieces, when it was sent several times in vain. What is
// cut anew has all its tries before it, from the shortest wait on (RFC 7383 §2.5.2).
func (s *ikeSA) recut() [][]byte {
	if x, ok := s.current.(*probeExchange); ok {
		return s.reprobe(x)
	}
	floor := smallest(s.remote.Addr())
	long := len(s.window.request) > 1 || len(s.window.request[0]) > room(floor, s.remote.Addr())
	if s.fragmentSize <= floor || !long || s.window.attempt != recutAttempt || s.asking.plain == nil {
		return s.window.request
	}
	s.fragmentSize = floor
	if again, err := s.sealAgain(s.asking, len(s.window.request), s.m.random.Source); err == nil {
		s.window.restart(s.m.now, again, s.m.random.Fraction())
	}
	return s.window.request
}

// cutAnew reports whether a fragment tells that the peer cut its last request
// anew, because it got no answer (RFC 7383 §2.5.2): the answer is cut so, too.
func (s *ikeSA) cutAnew(outer *wire.Message, d sa.Datagram) bool {
	f, ok := outer.EncryptedFragment()
	if !ok || s.fragmentSize == 0 || f.Number != 1 || s.window.working || s.window.answer == nil ||
		outer.MessageID != s.window.expectID-1 || outer.Exchange != s.answering.header.Exchange || s.state >= lingering {
		return false
	}
	if _, err := s.incoming.Open(d.Raw, f.Offset); err != nil {
		return false
	}
	if s.shrink(len(d.Raw), int(f.Total), d.Remote.Addr()) {
		if again, err := s.sealAgain(s.answering, len(s.window.answer), s.m.random.Source); err == nil {
			s.window.answer = again
		}
	}
	s.window.asked = d.Raw
	return true
}

// shrink cuts our messages into pieces no longer than those that the peer sends:
// it may have learnt what the path carries. octets is the length of the first of
// its total fragments.
func (a *association) shrink(octets, total int, remote netip.Addr) bool {
	overhead := DefaultFragmentSize - room(DefaultFragmentSize, remote)
	size := max(octets+overhead, smallest(remote))
	if total < 2 || size >= a.fragmentSize {
		return false
	}
	a.fragmentSize = size
	return true
}
