package transcript

import (
	"encoding/binary"
	"fmt"
	"slices"

	"causeway/ike/wire"
)

// alteration makes a host a faulty peer for one message: it gives other payloads
// for a message that it fits, and otherwise says false.
type alteration func(wire.Header, []wire.Payload) ([]wire.Payload, bool)

// altered is what the machine sends in place of payloads.
func (h *Host) altered(header wire.Header, payloads []wire.Payload) []wire.Payload {
	if h.Faulty != nil {
		return h.Faulty(header, payloads)
	}
	if h.alter == nil {
		return payloads
	}
	out, fits := h.alter(header, payloads)
	if !fits {
		return payloads
	}
	h.alter = nil
	h.world.logf("%s is at fault", h.Name)
	return out
}

// Alter makes the next message that fits a faulty one. The faults are those that
// peers were seen to have, and others that would be as bad.
func (h *Host) Alter(fault string) error {
	switch fault {
	case "mute-delete": // a DELETE request says nothing, and the peer knows of no end
		h.alter = func(header wire.Header, ps []wire.Payload) ([]wire.Payload, bool) {
			if header.Flags.Response() || !hasDelete(ps) {
				return nil, false
			}
			if d := ps[0].(*wire.Delete); len(d.SPIs) > 0 {
				h.muted = d.SPIs[0]
			}
			return nil, true
		}
	case "delete-first": // a DELETE request names the oldest Child SA in place of its own
		oldest := h.Snapshot().Children[0].Child.SPIIn
		h.alter = func(header wire.Header, ps []wire.Payload) ([]wire.Payload, bool) {
			d := &wire.Delete{Protocol: wire.ProtocolESP, SPIs: [][]byte{binary.BigEndian.AppendUint32(nil, oldest)}}
			return []wire.Payload{d}, !header.Flags.Response() && hasDelete(ps)
		}
	case "rekey-replaced": // a REKEY_SA names a Child SA that was replaced, and whose DELETE was muted
		named := h.muted
		h.alter = func(header wire.Header, ps []wire.Payload) ([]wire.Payload, bool) {
			n := wire.FindNotify(ps, wire.NotifyRekeySA)
			if n == nil || header.Flags.Response() {
				return nil, false
			}
			other := *n
			other.SPI = named
			out := slices.Clone(ps)
			out[slices.Index(ps, wire.Payload(n))] = &other
			return out, true
		}
	default:
		return fmt.Errorf("no such fault")
	}
	return nil
}

func hasDelete(ps []wire.Payload) bool {
	return slices.ContainsFunc(ps, func(p wire.Payload) bool { return p.Type() == wire.PayloadDelete })
}
