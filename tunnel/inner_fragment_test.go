package tunnel

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"causeway/esp/selector"
)

// cut6 is the part of an IPv6 packet from offset on, as a fragment.
func cut6(b []byte, offset, n int, more bool) []byte {
	out := append([]byte{}, b[:ipv6HeaderLen]...)
	next := out[6]
	out[6] = protoFragment
	field := uint16(offset)
	if more {
		field |= 1
	}
	out = append(out, next, 0, byte(field>>8), byte(field), 0, 0, 0, 9)
	out = append(out, b[ipv6HeaderLen+offset:ipv6HeaderLen+offset+n]...)
	binary.BigEndian.PutUint16(out[4:], uint16(len(out)-ipv6HeaderLen))
	return out
}

// cut4 is the same of an IPv4 packet without options.
func cut4(b []byte, offset, n int, more bool) []byte {
	out := append(append([]byte{}, b[:ipv4HeaderLen]...), b[ipv4HeaderLen+offset:ipv4HeaderLen+offset+n]...)
	field := uint16(offset / 8)
	if more {
		field |= 0x2000
	}
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)))
	binary.BigEndian.PutUint16(out[6:], field)
	out[10], out[11] = 0, 0
	binary.BigEndian.PutUint16(out[10:], checksum(out[:ipv4HeaderLen], 0))
	return out
}

// TestInnerFragmentsPass: fragments that come from inside go through an SA
// without regard to ports as they are; through one that names ports the first
// goes and the others, which show none, do not (RFC 4301 §7).
func TestInnerFragmentsPass(t *testing.T) {
	whole4 := udpPacket(t, "10.1.0.1", "10.2.0.1", 400, ipOptions{id: 5})
	whole6 := udpPacket(t, "fd01::1", "fd02::1", 400, ipOptions{})
	fragments := [][]byte{
		cut4(whole4, 0, 200, true), cut4(whole4, 200, 208, false),
		cut6(whole6, 0, 200, true), cut6(whole6, 200, 208, false),
	}
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		for _, b := range fragments {
			p.a.device.Inject(b)
			wantPacket(t, p.b.next(t), b)
		}
	})
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		port := func(prefix string, port uint16) selector.Selector {
			s := selector.FromPrefix(netip.MustParsePrefix(prefix))
			s.Protocol, s.StartPort, s.EndPort = protoUDP, port, port
			return s
		}
		p.child(t, selector.List{port("10.1.0.0/16", 1111), port("fd01::/16", 1111)},
			selector.List{port("10.2.0.0/16", 2222), port("fd02::/16", 2222)}, nil)
		for i, b := range fragments {
			p.a.device.Inject(b)
			if i%2 == 0 {
				wantPacket(t, p.b.next(t), b)
			} else {
				p.b.nothing(t)
			}
		}
		p.a.dropped(t, DropNoSA, 2)
	})
}
