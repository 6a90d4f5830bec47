package udp

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlWords is the room for control messages, in words so that it is
// aligned: UDP_SEGMENT or UDP_GRO, the TOS, packet information and the
// overflow counter take less than 128 bytes.
const controlWords = 16

type controlBuffer [controlWords]uint64

func (c *controlBuffer) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(c)), controlWords*8)
}

// received is what the control messages of one received message say.
type received struct {
	segmentSize int
	tos         uint8
	local       netip.Addr // invalid when not told
	overflow    uint32
	hasOverflow bool
}

// parseControl reads the control messages in b.
func parseControl(b []byte) (r received) {
	headerLen := unix.CmsgLen(0)
	for len(b) >= headerLen {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(h.Len)
		if size < headerLen || size > len(b) {
			return r
		}
		r.take(int(h.Level), int(h.Type), b[headerLen:size])
		b = b[min(len(b), unix.CmsgSpace(size-headerLen)):]
	}
	return r
}

func (r *received) take(level, kind int, data []byte) {
	switch {
	case level == unix.IPPROTO_UDP && kind == unix.UDP_GRO:
		r.segmentSize = int(controlInt(data))
	case level == unix.IPPROTO_IP && kind == unix.IP_TOS,
		level == unix.IPPROTO_IPV6 && kind == unix.IPV6_TCLASS:
		r.tos = uint8(controlInt(data))
	case level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		// The header's destination address, not Spec_dst: an answer has to
		// come from the address that was asked.
		r.local = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Addr)
	case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		r.local = netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Addr)
	case level == unix.SOL_SOCKET && kind == unix.SO_RXQ_OVFL && len(data) >= 4:
		r.overflow, r.hasOverflow = binary.NativeEndian.Uint32(data), true
	}
}

// controlInt reads a value that kernels deliver as one byte, two or four.
func controlInt(data []byte) uint32 {
	switch {
	case len(data) >= 4:
		return binary.NativeEndian.Uint32(data)
	case len(data) >= 2:
		return uint32(binary.NativeEndian.Uint16(data))
	case len(data) == 1:
		return uint32(data[0])
	}
	return 0
}

// controlWriter appends control messages for a send.
type controlWriter struct {
	b []byte // the whole buffer
	n int    // used
}

// next starts a control message of size bytes and returns the place for them.
func (w *controlWriter) next(level, kind, size int) unsafe.Pointer {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&w.b[w.n]))
	h.Level, h.Type = int32(level), int32(kind)
	h.SetLen(unix.CmsgLen(size))
	data := unsafe.Pointer(&w.b[w.n+unix.CmsgLen(0)])
	w.n += unix.CmsgSpace(size)
	return data
}

func (w *controlWriter) segment(size int) {
	*(*uint16)(w.next(unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)) = uint16(size)
}

func (w *controlWriter) tos(v6 bool, tos uint8) {
	if v6 {
		*(*int32)(w.next(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 4)) = int32(tos)
		return
	}
	*(*int32)(w.next(unix.IPPROTO_IP, unix.IP_TOS, 4)) = int32(tos)
}

func (w *controlWriter) source(a netip.Addr) {
	if a.Is4() {
		*(*unix.Inet4Pktinfo)(w.next(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)) =
			unix.Inet4Pktinfo{Spec_dst: a.As4()}
		return
	}
	*(*unix.Inet6Pktinfo)(w.next(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)) =
		unix.Inet6Pktinfo{Addr: a.As16(), Ifindex: zoneIndex(a.Zone())}
}
