package ike

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"causeway/ike/sa"
)

// header is what every version of IKE has in common: enough to tell whose a
// message is, before anything of it is parsed (RFC 7296 §3.1, RFC 2408 §3.1).
type header struct {
	initiatorSPI, responderSPI uint64
	next                       uint8 // what the first payload is
	major                      uint8
	flags                      uint8
}

const (
	headerLen = 28
	// flagInitiator is IKEv2's: the original initiator sent it. IKEv1 has no
	// such flag, and its bit is reserved.
	flagInitiator = 1 << 3
)

func readHeader(b []byte) (h header, ok bool) {
	if len(b) < headerLen {
		return header{}, false
	}
	return header{
		initiatorSPI: binary.BigEndian.Uint64(b),
		responderSPI: binary.BigEndian.Uint64(b[8:]),
		next:         b[16],
		major:        b[17] >> 4,
		flags:        b[19],
	}, true
}

// localSPIv2 is the SPI that is ours: the flag tells which (RFC 7296 §3.1).
func localSPIv2(h header) [2]uint64 {
	if h.flags&flagInitiator != 0 {
		return [2]uint64{h.responderSPI}
	}
	return [2]uint64{h.initiatorSPI}
}

// Receive takes one IKE message without its non-ESP marker. It copies b and
// never blocks: what finds a full inbox is dropped, and counted.
func (e *Engine) Receive(b []byte, local, remote netip.AddrPort) {
	h, ok := readHeader(b)
	if !ok {
		e.cfg.Report(sa.MessageDropped{Remote: remote, Reason: sa.ReasonInvalidSyntax,
			Detail: fmt.Sprintf("%d octets are no IKE message", len(b))})
		return
	}
	e.version(h.major).receive(h, sa.Datagram{Raw: slices.Clone(b), Local: local, Remote: remote})
}

// localSPIv1 are the cookies that may be ours: no flag tells who began, and the
// first message has no responder cookie yet.
func localSPIv1(h header) [2]uint64 { return [2]uint64{h.responderSPI, h.initiatorSPI} }

// version is who reads messages of a major version: of one that is not known,
// the newest, which can say so to the peer (RFC 7296 §2.5).
func (e *Engine) version(major uint8) *version {
	if major == 1 {
		return e.v1
	}
	return e.v2
}
