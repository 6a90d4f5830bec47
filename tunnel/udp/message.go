package udp

import "net/netip"

// Kind says what one UDP payload that arrived on the NAT port is
// (RFC 3948 §2).
type Kind uint8

const (
	KindInvalid   Kind = iota // too short to be anything
	KindESP                   // ESP: the payload starts with a non-zero SPI
	KindIKE                   // IKE behind the four zero bytes of the non-ESP marker
	KindKeepalive             // one byte 0xFF (RFC 3948 §2.3)
)

// MarkerSize is the length of the non-ESP marker (RFC 3948 §2.2): an IKE
// message on the NAT port starts after it.
const MarkerSize = 4

// Classify tells ESP, IKE and keepalives on the NAT port apart. Payloads on
// the IKE port are always IKE without a marker and need no classification.
func Classify(payload []byte) Kind {
	switch {
	case len(payload) == 1 && payload[0] == 0xff:
		return KindKeepalive
	case len(payload) <= MarkerSize:
		return KindInvalid
	case payload[0]|payload[1]|payload[2]|payload[3] == 0:
		return KindIKE
	default:
		return KindESP
	}
}

// Message is one received UDP message: a datagram, or a train of datagrams
// from one peer that the kernel merged (UDP_GRO). Each segment of a train is a
// datagram of its own and must be looked at by itself: the kernel merges by
// addresses and ports only, so IKE, keepalives and different SPIs may follow
// each other in one train.
type Message struct {
	// Payload points into the Batch. The reader may change it (decrypt in
	// place) and must be done with it before it receives into the Batch
	// again.
	Payload []byte
	// SegmentSize is the size of every segment but the last, which may be
	// shorter. It is len(Payload) for a single datagram, and never 0 unless
	// Payload is empty.
	SegmentSize int
	// Local is the address the message was sent to, Remote where it came
	// from. Neither is IPv4-mapped; a zone is the interface's index.
	Local, Remote netip.AddrPort
	// TOS is the DS field and ECN bits of the outer header.
	TOS uint8
	// Bare says that the message is one ESP packet without UDP. Local and
	// Remote have no ports then.
	Bare bool
	// Encapsulated says that the message arrived on the NAT port: Classify
	// its segments.
	Encapsulated bool
}

// Segments is how many datagrams the message carries.
func (m *Message) Segments() int {
	if m.SegmentSize <= 0 {
		return 0
	}
	return segments(len(m.Payload), m.SegmentSize)
}

// segments is how many datagrams of a size so many bytes are; 0 stands for one.
func segments(bytes, size int) int {
	if size <= 0 {
		return 1
	}
	return (bytes + size - 1) / size
}

// Segment is datagram i of the message. Its capacity ends where it ends.
func (m *Message) Segment(i int) []byte {
	start := i * m.SegmentSize
	end := min(start+m.SegmentSize, len(m.Payload))
	return m.Payload[start:end:end]
}

// Result is what became of a Run.
type Result uint8

const (
	Sent    Result = iota // the kernel took all of it
	TooBig                // some or all lost: a segment exceeds the path MTU to Remote (EMSGSIZE): lower the inner MTU
	Dropped               // some or all lost for a passing reason, counted in Stats
)

// Run is one contiguous slab of equal-size datagrams to one peer. One Run is
// one message with UDP_SEGMENT where the kernel can do that.
type Run struct {
	// Payload holds the segments back to back. It is read during Send only.
	Payload []byte
	// SegmentSize is the size of every segment but the last, which may be
	// shorter. Zero means that Payload is one datagram.
	SegmentSize int
	// Local chooses the socket (its port) and the source address. An
	// unspecified address leaves the choice to the kernel. Port 0 is ESP without
	// UDP.
	Local, Remote netip.AddrPort
	// TOS is the outer DS field and ECN bits.
	TOS uint8
	// MayFragment lets the network cut the Run, which is one datagram then. It is
	// slow: a call for each, with a lock.
	MayFragment bool
	// Result and Lost are set by Send: what became of it, and how many of its
	// datagrams were not sent. A long Run is several messages, which can fail one
	// by one.
	Result Result
	Lost   int
}

// Datagrams is how many datagrams the Run is.
func (r *Run) Datagrams() int {
	return segments(len(r.Payload), r.SegmentSize)
}

// lose notes that so many more datagrams were not sent. The more telling of two
// results stays.
func (r *Run) lose(datagrams int, result Result) {
	r.Lost += datagrams
	if r.Result != TooBig {
		r.Result = result
	}
}
