package ticket

import (
	"encoding/binary"
	"errors"
	"time"
)

// State is what of an IKE SA a ticket holds (RFC 5723 §5).
type State struct {
	// Connection names the responder's connection, and Binding is a digest of what
	// it authenticates with (Mint.Bind): a ticket counts only while both stay.
	Connection string
	Binding    [BindingLen]byte
	// IDi and IDr are the bodies of the ID payloads that were shown.
	IDi, IDr []byte
	// SPIi and SPIr are those of the IKE SA that the ticket is of.
	SPIi, SPIr uint64
	// Suite is the suite that was chosen, in the words of package ikev2.
	Suite []byte
	// SKd is SK_d of that IKE SA.
	SKd []byte
	// Unproven is when the peer must have been authenticated anew; zero: never.
	Unproven time.Time
	// Expires is when the ticket counts no more.
	Expires time.Time
}

// BindingLen is the length of a binding.
const BindingLen = 32

// Bounds of the parts.
const (
	maxName  = 255
	maxID    = 512
	maxSuite = 256
	maxKey   = 64
)

var errTooLong = errors.New("ticket: a part of the state is longer than a ticket may hold")

// append lays the state out: fields of fixed length, then each part behind its
// length in two octets.
func (s *State) append(b []byte) ([]byte, error) {
	b = append(b, s.Binding[:]...)
	b = binary.BigEndian.AppendUint64(b, s.SPIi)
	b = binary.BigEndian.AppendUint64(b, s.SPIr)
	b = binary.BigEndian.AppendUint64(b, seconds(s.Unproven))
	b = binary.BigEndian.AppendUint64(b, seconds(s.Expires))
	for _, part := range []struct {
		data []byte
		max  int
	}{{[]byte(s.Connection), maxName}, {s.IDi, maxID}, {s.IDr, maxID}, {s.Suite, maxSuite}, {s.SKd, maxKey}} {
		if len(part.data) > part.max {
			return nil, errTooLong
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(part.data)))
		b = append(b, part.data...)
	}
	return b, nil
}

// parse reads a state. What it gives shares the memory of b.
func parse(b []byte) (*State, error) {
	const fixed = BindingLen + 4*8
	if len(b) < fixed {
		return nil, errMalformed
	}
	s := &State{}
	copy(s.Binding[:], b)
	b = b[BindingLen:]
	s.SPIi, s.SPIr = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	s.Unproven, s.Expires = instant(binary.BigEndian.Uint64(b[16:])), instant(binary.BigEndian.Uint64(b[24:]))
	b = b[4*8:]
	var name []byte
	for _, part := range []struct {
		to  *[]byte
		max int
	}{{&name, maxName}, {&s.IDi, maxID}, {&s.IDr, maxID}, {&s.Suite, maxSuite}, {&s.SKd, maxKey}} {
		if len(b) < 2 {
			return nil, errMalformed
		}
		n := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; n > part.max || n > len(b) {
			return nil, errMalformed
		}
		*part.to, b = b[:n:n], b[n:]
	}
	if len(b) > 0 {
		return nil, errMalformed
	}
	s.Connection = string(name)
	return s, nil
}

// seconds is a time on the wire; zero is no time.
func seconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.Unix())
}

func instant(s uint64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0)
}

// Erase overwrites the key.
func (s *State) Erase() { clear(s.SKd) }
