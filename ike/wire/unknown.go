package wire

// Unknown is a payload of a type this package does not parse, kept as it was received (RFC 7296 §2.5). When Critical
// is set the message as a whole must be refused: see UnknownCritical.
type Unknown struct {
	PayloadType PayloadType
	Critical    bool
	Data        []byte
}

// Type returns the type that was received.
func (p *Unknown) Type() PayloadType { return p.PayloadType }

// AppendBody appends the bytes as they were received. A type that this package parses is refused, because it would
// not be read back as Unknown.
func (p *Unknown) AppendBody(dst []byte) ([]byte, error) {
	if p.PayloadType == PayloadNone || p.PayloadType.Known() {
		return nil, encodeError(p.PayloadType, "it has a type of its own")
	}
	return append(dst, p.Data...), nil
}
