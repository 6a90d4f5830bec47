package esp

import (
	"math"

	"causeway/esp/tripledes"
)

// Limits end an SA's life; zero is no limit. At a soft limit the control plane
// is told to rekey, at a hard one the SA ends (RFC 4301 §4.4.2.1). Time is the
// control plane's own. Bytes are those of the payloads.
type Limits struct {
	SoftBytes, HardBytes, SoftPackets, HardPackets uint64
}

// within is the limits of an SA with a cipher whose blocks are so short that its
// key must not encrypt more, whatever was negotiated. Half of that is left for
// the rekey.
func (l Limits) within(cipher Cipher) Limits {
	if cipher != TripleDES {
		return l
	}
	if l.HardBytes == 0 || l.HardBytes > tripledes.VolumeLimit {
		l.HardBytes = tripledes.VolumeLimit
	}
	if l.SoftBytes == 0 || l.SoftBytes > tripledes.VolumeLimit/2 {
		l.SoftBytes = tripledes.VolumeLimit / 2
	}
	return l
}

// LimitState says how near an SA is to its end.
type LimitState uint8

// The limit states. Soft is reported exactly once in the life of an Outbound or
// an Inbound, so that one worker alone asks for the rekey.
const (
	OK LimitState = iota
	Soft
	Hard
)

// String names the state.
func (s LimitState) String() string {
	switch s {
	case OK:
		return "ok"
	case Soft:
		return "soft"
	case Hard:
		return "hard"
	}
	return "unknown"
}

// lastSequence is the end of the sequence space: numbers never cycle (RFC 4303
// §3.3.3).
func lastSequence(esn bool) uint64 {
	if esn {
		return math.MaxUint64
	}
	return math.MaxUint32
}

// softSequence is when to rekey for want of numbers: with a sixteenth of them
// left, which is two minutes at two million packets a second without ESN.
func softSequence(esn bool) uint64 {
	last := lastSequence(esn)
	return last - last/16
}

// softPassed and hardPassed judge totals that include the packet in question.
func (l *Limits) softPassed(packets, bytes uint64) bool {
	return l.SoftPackets != 0 && packets >= l.SoftPackets || l.SoftBytes != 0 && bytes >= l.SoftBytes
}

func (l *Limits) hardPassed(packets, bytes uint64) bool {
	return l.HardPackets != 0 && packets > l.HardPackets || l.HardBytes != 0 && bytes > l.HardBytes
}
