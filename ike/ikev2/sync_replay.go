package ikev2

import (
	"encoding/binary"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Replay counters of ESP when a machine takes over (RFC 6311 §5.2). Its replay windows
// may be behind those of the machine before, so that packets which that one received
// would be taken again. With the synchronization of message IDs it asks its peer to
// leave out as many sequence numbers as it may be behind; what it sends itself it
// counts on its own.

// maxReplayLeap bounds how many numbers a peer can have us leave out at once: a
// quarter of those that there are without extended ones.
const maxReplayLeap = 1 << 30

// replayBehind asks for that, with 8 octets where every Child SA has extended sequence
// numbers and 4 where none has (RFC 6311 §9.3). Where they differ it cannot be asked.
func (s *ikeSA) replayBehind(by uint64) []wire.Payload {
	if by == 0 || !s.replaySynced || len(s.children) == 0 {
		return nil
	}
	extended := s.children[0].Suite.ESN
	for _, c := range s.children {
		if c.Suite.ESN != extended {
			return nil
		}
	}
	data := binary.BigEndian.AppendUint64(nil, by)
	if !extended {
		data = data[4:]
	}
	return []wire.Payload{notify(wire.NotifyIPsecReplayCounterSync, data)}
}

// skipAhead leaves out numbers on every Child SA of the IKE SA, as a synchronization of
// message IDs asks that is not a repeat, or an INFORMATIONAL of its own (RFC 6311 §5).
func (s *ikeSA) skipAhead(msg *message) {
	n := msg.notify(wire.NotifyIPsecReplayCounterSync)
	if n == nil || !s.replaySynced {
		return
	}
	var by uint64
	switch len(n.Data) {
	case 4:
		by = uint64(binary.BigEndian.Uint32(n.Data))
	case 8:
		by = binary.BigEndian.Uint64(n.Data)
	}
	if by == 0 || by > maxReplayLeap {
		s.m.dropped(msg.remote, sa.ReasonInvalidSyntax, "a synchronization of replay counters that leads nowhere or too far")
		return
	}
	for _, c := range s.children {
		s.m.do(sa.SkipAhead{SPIIn: c.SPIIn, By: by})
	}
}
