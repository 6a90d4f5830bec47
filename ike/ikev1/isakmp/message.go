package isakmp

// Message is an IKEv1 message. One with the Encryption flag has a Body, as it
// was received or is to be sent, and no Payloads.
type Message struct {
	Header
	Payloads []Payload
	Body     []byte
}

// ParseMessage reads one whole datagram (without the non-ESP marker of port
// 4500). Another major version is refused with *VersionError, everything else
// that is wrong with *ParseError; the header comes with every error that is
// found after it was read.
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
	case h.InitiatorCookie == 0:
		return m, &ParseError{Offset: 0, Why: "the initiator's cookie is zero"}
	}
	body := b[HeaderLen:len(b):len(b)]
	if h.Flags.Encrypted() {
		m.Body = body
		return m, nil
	}
	m.Payloads, err = parseChain(h.NextPayload, body, HeaderLen, 0)
	return m, err
}

// Append lays out the message. NextPayload of an encrypted one is the header's,
// otherwise it is computed, and so is Length.
func (m *Message) Append(dst []byte) ([]byte, error) {
	at := len(dst)
	dst = append(dst, make([]byte, HeaderLen)...)
	next := m.NextPayload
	if m.Flags.Encrypted() {
		dst = append(dst, m.Body...)
	} else {
		var err error
		if dst, err = AppendPayloads(dst, m.Payloads); err != nil {
			return nil, err
		}
		next = FirstType(m.Payloads)
	}
	if _, err := m.Header.Append(dst[at:at], next, len(dst)-at); err != nil {
		return nil, err
	}
	return dst, nil
}
