package isakmp

import "encoding/binary"

// reader walks over the body of one payload. The first failure sticks: later
// reads return zero values, so that a parse function checks err once at its
// end. Loops must stop on err.
type reader struct {
	b       []byte // what is left
	offset  int    // of b[0] in the bytes given to the parser
	payload PayloadType
	err     *ParseError
}

// fail records the first failure at the present offset and empties the reader.
func (r *reader) fail(why string) {
	if r.err == nil {
		r.err = &ParseError{Payload: r.payload, Offset: r.offset, Why: why}
	}
	r.b = nil
}

// take returns the next n bytes, sharing the datagram's memory but not its
// capacity. It is nil for n == 0.
func (r *reader) take(n int, what string) []byte {
	if n > len(r.b) {
		r.fail(what + " is cut short")
		return nil
	}
	if n == 0 {
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	r.offset += n
	return b
}

func (r *reader) uint8(what string) uint8 {
	if b := r.take(1, what); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16(what string) uint16 {
	if b := r.take(2, what); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32(what string) uint32 {
	if b := r.take(4, what); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// reserved reads n octets that must be zero (RFC 2408 §5.3).
func (r *reader) reserved(n int) {
	for _, b := range r.take(n, "reserved field") {
		if b != 0 {
			r.fail("reserved octet is not zero")
			return
		}
	}
}

// rest returns everything that is left.
func (r *reader) rest() []byte { return r.take(len(r.b), "") }

// sub splits off a reader over the next n bytes.
func (r *reader) sub(n int, what string) reader {
	s := reader{offset: r.offset, payload: r.payload}
	s.b = r.take(n, what)
	s.err = r.err
	return s
}

// adopt takes over the failure of a reader made by sub.
func (r *reader) adopt(s *reader) {
	if s.err != nil && r.err == nil {
		r.err, r.b = s.err, nil
	}
}

// finish reports the first failure, as an untyped nil when there was none.
func (r *reader) finish() error {
	if r.err != nil {
		return r.err
	}
	return nil
}
