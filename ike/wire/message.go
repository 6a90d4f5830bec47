package wire

// Message is an IKEv2 message: its header and the payloads outside encryption. A protected message ends with an
// *Encrypted or *EncryptedFragment.
type Message struct {
	Header
	Payloads []Payload
}

// ParseMessage reads one whole datagram (without the non-ESP marker of port 4500). The content of an SK payload stays
// as it was received: authenticate and decrypt it from b, then hand the plaintext to ParsePayloads.
//
// Another major version is refused with *VersionError, everything else that is wrong with *ParseError. The header is
// returned with every error that is found after it was read, for the answers of RFC 7296 §2.21.
func ParseMessage(b []byte) (*Message, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return nil, err
	}
	m := &Message{Header: h}
	switch {
	case h.Major != MajorVersion:
		return m, &VersionError{Major: h.Major, Minor: h.Minor}
	case len(b) > MaxMessageLen:
		return m, &ParseError{Offset: MaxMessageLen, Why: "longer than a message can be"}
	case uint64(h.Length) != uint64(len(b)):
		return m, &ParseError{Offset: 24, Why: "length field differs from the length of the datagram"}
	case h.InitiatorSPI == 0:
		return m, &ParseError{Offset: 0, Why: "the initiator's SPI is zero"}
	}
	ps, err := parseChain(h.NextPayload, b[HeaderLen:], HeaderLen, true)
	if err != nil {
		return m, err
	}
	m.Payloads = ps
	return m, nil
}

// Append lays out the message. NextPayload and Length of the header are computed.
func (m *Message) Append(dst []byte) ([]byte, error) {
	at := len(dst)
	dst = append(dst, make([]byte, HeaderLen)...)
	dst, err := appendChain(dst, m.Payloads)
	if err != nil {
		return nil, err
	}
	if _, err := m.Header.append(dst[at:at], FirstType(m.Payloads), len(dst)-at); err != nil {
		return nil, err
	}
	return dst, nil
}

// Encrypted returns the SK payload of the message.
func (m *Message) Encrypted() (*Encrypted, bool) {
	return last[*Encrypted](m.Payloads)
}

// EncryptedFragment returns the SKF payload of the message.
func (m *Message) EncryptedFragment() (*EncryptedFragment, bool) {
	return last[*EncryptedFragment](m.Payloads)
}

func last[P Payload](ps []Payload) (p P, ok bool) {
	if len(ps) == 0 {
		return p, false
	}
	p, ok = ps[len(ps)-1].(P)
	return p, ok
}
