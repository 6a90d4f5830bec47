package tunnel

import "encoding/binary"

const (
	// fragmentScratch holds every fragment of the largest IPv4 packet at the
	// smallest MTU: 64 KiB of payload plus, for each 8-byte-aligned piece, a
	// header of at most 60 bytes.
	fragmentScratch = 64<<10 + (64<<10/(minMTU4-60-7)+1)*60

	ipOptionCopied = 0x80
)

// fragmenter cuts one IPv4 packet into fragments of at most mtu bytes (RFC 791
// §3.2), back to back in out. The packet may itself be a fragment.
type fragmenter struct {
	out    []byte
	packet []byte
	mtu    int
	at     int // payload bytes done
}

// fragment4 starts to cut b, which must be a parsed IPv4 packet without DF and
// longer than mtu; out must have room for fragmentScratch bytes.
func fragment4(out, b []byte, mtu int) fragmenter {
	return fragmenter{out: out, packet: b, mtu: mtu}
}

// next is the next fragment, or nil after the last.
func (f *fragmenter) next() []byte {
	headerLen := int(f.packet[0]&15) * 4
	payload := f.packet[headerLen:]
	if f.at >= len(payload) {
		return nil
	}
	header := headerLen
	if f.at > 0 {
		header = ipv4HeaderLen + copiedOptions(nil, f.packet[ipv4HeaderLen:headerLen])
	}
	field := binary.BigEndian.Uint16(f.packet[6:])
	size, more := len(payload)-f.at, field&0x2000
	if header+size > f.mtu {
		size, more = (f.mtu-header)&^7, 0x2000
	}
	start := len(f.out)
	f.out = f.out[:start+header+size]
	b := f.out[start:]
	if f.at == 0 {
		copy(b, f.packet[:header])
	} else {
		laterHeader(b[:header], f.packet)
	}
	copy(b[header:], payload[f.at:f.at+size])
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[6:], field&0xc000|more|(field&0x1fff+uint16(f.at/8)))
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], checksum(b[:header], 0))
	f.at += size
	return b
}

// laterHeader writes the header of a fragment that is not the first: only
// options with the copied flag come along.
func laterHeader(out, b []byte) {
	copy(out, b[:ipv4HeaderLen])
	out[0] = 0x40 | byte(len(out)/4)
	clear(out[ipv4HeaderLen:])
	copiedOptions(out[ipv4HeaderLen:], b[ipv4HeaderLen:int(b[0]&15)*4])
}

// copiedOptions writes the options that every fragment carries to out, unless
// it is nil, and returns their length, padded to 4 bytes. Malformed options end
// the list.
func copiedOptions(out, options []byte) int {
	total := 0
	for i := 0; i < len(options); {
		kind := options[i]
		if kind == tcpOptionEnd {
			break
		}
		if kind == tcpOptionNop {
			i++
			continue
		}
		if i+1 >= len(options) || options[i+1] < 2 || i+int(options[i+1]) > len(options) {
			break
		}
		size := int(options[i+1])
		if kind&ipOptionCopied != 0 {
			if out != nil {
				copy(out[total:], options[i:i+size])
			}
			total += size
		}
		i += size
	}
	return (total + 3) &^ 3
}
