package udp

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// putSockaddr writes a into raw, the larger of the two forms, and returns the
// length of the one used.
func putSockaddr(raw *unix.RawSockaddrInet6, a netip.AddrPort) uint32 {
	if a.Addr().Is4() {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		v4.Family = unix.AF_INET
		v4.Port = networkOrder(a.Port())
		v4.Addr = a.Addr().As4()
		return unix.SizeofSockaddrInet4
	}
	raw.Family = unix.AF_INET6
	raw.Port = networkOrder(a.Port())
	raw.Flowinfo = 0
	raw.Addr = a.Addr().As16()
	raw.Scope_id = zoneIndex(a.Addr().Zone())
	return unix.SizeofSockaddrInet6
}

// sockaddr is the inverse of putSockaddr. It allocates for link-local
// addresses only, which carry a zone.
func sockaddr(raw *unix.RawSockaddrInet6) netip.AddrPort {
	if raw.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), networkOrder(v4.Port))
	}
	addr := netip.AddrFrom16(raw.Addr)
	if raw.Scope_id != 0 && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(strconv.FormatUint(uint64(raw.Scope_id), 10))
	}
	return netip.AddrPortFrom(addr, networkOrder(raw.Port))
}

// zoneIndex takes the zones that sockaddr makes: interface indexes.
func zoneIndex(zone string) uint32 {
	if zone == "" {
		return 0
	}
	n, err := strconv.ParseUint(zone, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// networkOrder swaps between host order and the big-endian port of a sockaddr.
func networkOrder(port uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], port)
	return binary.NativeEndian.Uint16(b[:])
}
