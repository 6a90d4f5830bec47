package tun

import "encoding/binary"

// Kind says whether a packet is a superpacket, and of what.
type Kind uint8

// The kinds, as the virtio-net header numbers them (VIRTIO 1.2 §5.1.6).
const (
	Single Kind = 0 // one packet as it is on the wire
	TCP4   Kind = 1 // TCP segments over IPv4
	TCP6   Kind = 4 // TCP segments over IPv6
	UDP    Kind = 5 // UDP datagrams
)

// Offload is what the virtio-net header of a packet says.
type Offload struct {
	Kind Kind
	// ECN: the first segment has CWR, which the others must not have.
	ECN bool
	// Partial: the checksum field at ChecksumStart + ChecksumOffset holds the
	// sum of the pseudo-header only, and the checksum is that of everything
	// from ChecksumStart on.
	Partial bool
	// HeaderLen is the length of the headers that each segment repeats. The
	// kernel's is not to be trusted: forwarded packets have others.
	HeaderLen int
	// SegmentSize is the payload of each segment but the last.
	SegmentSize                   int
	ChecksumStart, ChecksumOffset int
}

const (
	// virtioHeaderLen is that of struct virtio_net_hdr.
	virtioHeaderLen = 10

	virtioNeedsChecksum = 1    // VIRTIO_NET_HDR_F_NEEDS_CSUM
	virtioECN           = 0x80 // VIRTIO_NET_HDR_GSO_ECN
)

// decode reads a virtio-net header.
func (o *Offload) decode(h *[virtioHeaderLen]byte) {
	*o = Offload{
		Kind:           Kind(h[1] &^ virtioECN),
		ECN:            h[1]&virtioECN != 0,
		Partial:        h[0]&virtioNeedsChecksum != 0,
		HeaderLen:      int(binary.NativeEndian.Uint16(h[2:])),
		SegmentSize:    int(binary.NativeEndian.Uint16(h[4:])),
		ChecksumStart:  int(binary.NativeEndian.Uint16(h[6:])),
		ChecksumOffset: int(binary.NativeEndian.Uint16(h[8:])),
	}
}

// encode writes a virtio-net header.
func (o *Offload) encode(h *[virtioHeaderLen]byte) {
	*h = [virtioHeaderLen]byte{1: byte(o.Kind)}
	if o.ECN {
		h[1] |= virtioECN
	}
	if o.Partial {
		h[0] = virtioNeedsChecksum
	}
	binary.NativeEndian.PutUint16(h[2:], uint16(o.HeaderLen))
	binary.NativeEndian.PutUint16(h[4:], uint16(o.SegmentSize))
	binary.NativeEndian.PutUint16(h[6:], uint16(o.ChecksumStart))
	binary.NativeEndian.PutUint16(h[8:], uint16(o.ChecksumOffset))
}

// Segments is how many packets a superpacket of so many bytes stands for, as far as
// its header can be believed.
func (o *Offload) Segments(length int) int {
	payload := length - o.HeaderLen
	if o.Kind == Single || o.SegmentSize < 1 || payload < 1 {
		return 1
	}
	return (payload + o.SegmentSize - 1) / o.SegmentSize
}
