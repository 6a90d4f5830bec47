package ikev1

import (
	"errors"
	"fmt"
	"net/netip"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
)

// Fragments of messages as Cisco and Microsoft send them ([MS-IKEE] §2.2.3.1,
// §3.1.5.1), between ends that both said so with the vendor ID. A fragment is
// not protected itself, the message that they make up is as any other. Whoever
// is on the path can spoil one, and no more.

const (
	// maxFragments bounds those of one message, and maxAssembledLen its octets;
	// one message at a time is kept for each ISAKMP SA.
	maxFragments    = 64
	maxAssembledLen = maxFirstLen
	// fragmentOverhead is the ISAKMP header, the generic header and the fragment's
	// own.
	fragmentOverhead = isakmp.HeaderLen + isakmp.GenericHeaderLen + 4
	// udpHeaderLen and markerLen are in the datagram beside the message.
	udpHeaderLen, markerLen = 8, 4
)

// assembly is the message whose fragments come in.
type assembly struct {
	id    uint16
	parts [][]byte // by their number, from 1
	have  int
	size  int
	last  int // the number of the last one; 0: not known
}

var (
	errFragment = errors.New("ikev1: a fragment that does not fit the others, or is beyond what is kept")
	errNested   = errors.New("ikev1: a fragment of fragments, or of another ISAKMP SA's message")
)

// add takes a fragment, and gives the message once it is whole. A fragment of
// another message takes the place of those that are there. What is kept is the
// assembly's own.
func (a *assembly) add(f *isakmp.Fragment) (whole []byte, err error) {
	if a.parts == nil || f.ID != a.id {
		*a = assembly{id: f.ID, parts: make([][]byte, 1)}
	}
	n := int(f.Number)
	switch {
	case n > maxFragments || a.last != 0 && (n > a.last || f.Last && n != a.last) || f.Last && n < len(a.parts)-1:
		*a = assembly{}
		return nil, errFragment
	case n < len(a.parts) && a.parts[n] != nil:
		return nil, nil // a repeat
	case a.size+len(f.Data) > maxAssembledLen:
		*a = assembly{}
		return nil, errFragment
	}
	for len(a.parts) <= n {
		a.parts = append(a.parts, nil)
	}
	a.parts[n] = f.Data
	a.have, a.size = a.have+1, a.size+len(f.Data)
	if f.Last {
		a.last = n
	}
	if a.last == 0 || a.have != a.last {
		return nil, nil
	}
	whole = make([]byte, 0, a.size)
	for _, p := range a.parts[1:] {
		whole = append(whole, p...)
	}
	*a = assembly{}
	return whole, nil
}

// fragmentOf is the fragment that a message is, if it is one: it stands alone.
func fragmentOf(msg *isakmp.Message) (*isakmp.Fragment, bool) {
	if msg.Flags.Encrypted() || len(msg.Payloads) != 1 {
		return nil, false
	}
	f, ok := msg.Payloads[0].(*isakmp.Fragment)
	return f, ok
}

// assemble leads a message that is a fragment through the assembly. done tells
// that there is nothing to act on.
func (a *assembly) assemble(msg *isakmp.Message, d *sa.Datagram) (whole *isakmp.Message, done bool, err error) {
	f, ok := fragmentOf(msg)
	if !ok {
		return msg, false, nil
	}
	raw, err := a.add(f)
	if raw == nil || err != nil {
		return nil, true, err
	}
	whole, err = isakmp.ParseMessage(raw)
	if err != nil {
		return nil, true, fmt.Errorf("of fragments: %w", err)
	}
	if _, again := fragmentOf(whole); again || whole.InitiatorCookie != msg.InitiatorCookie || whole.ResponderCookie != msg.ResponderCookie {
		return nil, true, errNested
	}
	d.Raw = raw
	return whole, false, nil
}

// cut divides a message into datagrams of IP of at most limit octets, under the
// number id. One that fits, or has to go whole, stays as it is. Message ID and
// exchange are those of phase 1 whatever the message is, as others have it.
func cut(raw []byte, kind isakmp.ExchangeType, id uint16, limit int, to netip.AddrPort) [][]byte {
	room := limit - udpHeaderLen - markerLen - ipHeaderLen(to)
	h, err := isakmp.ParseHeader(raw)
	if limit == 0 || len(raw) <= room || room <= fragmentOverhead || err != nil {
		return [][]byte{raw}
	}
	size := room - fragmentOverhead
	count := (len(raw) + size - 1) / size
	if count > maxFragments {
		return [][]byte{raw}
	}
	h.Flags, h.MessageID, h.Exchange = 0, 0, kind
	var out [][]byte
	for n := 1; n <= count; n++ {
		part := raw[(n-1)*size : min(n*size, len(raw))]
		f := &isakmp.Fragment{ID: id, Number: uint8(n), Last: n == count, Data: part}
		one, err := clearMessage(h, []isakmp.Payload{f})
		if err != nil {
			return [][]byte{raw}
		}
		out = append(out, one)
	}
	return out
}

func ipHeaderLen(to netip.AddrPort) int {
	if to.Addr().Unmap().Is4() {
		return 20
	}
	return 40
}

// datagrams are what a message is sent as: fragments, if it is long and the peer
// takes them.
func (a *association) datagrams(raw []byte, kind isakmp.ExchangeType, limit int, to netip.AddrPort) [][]byte {
	if !a.peer.fragments {
		return [][]byte{raw}
	}
	a.fragmentID++
	return cut(raw, kind, a.fragmentID, limit, to)
}
