package wire

// Opening finds what a cookie is made of and compared with in the request for a new IKE SA: its nonce, and the data of
// its N(COOKIE), nil if it has none (RFC 7296 §2.6). It reads no payload but these, and allocates nothing: whoever sent
// the message may not be where it came from. Of messages with a nonce it accepts all that ParseMessage accepts.
func Opening(b []byte) (nonce, cookie []byte, err error) {
	h, err := ParseHeader(b)
	if err != nil {
		return nil, nil, err
	}
	if uint64(h.Length) != uint64(len(b)) {
		return nil, nil, &ParseError{Offset: 24, Why: "length field differs from the length of the datagram"}
	}
	c := chain{next: h.NextPayload, r: reader{b: b[HeaderLen:], offset: HeaderLen}}
	for c.next != PayloadNone && c.next != PayloadSK && c.next != PayloadSKF {
		t := c.next
		after, _, body, err := c.head()
		if err != nil {
			return nil, nil, err
		}
		c.next = after
		switch {
		case t == PayloadNonce && nonce == nil:
			nonce = body.b
		case t == PayloadNotify && cookie == nil:
			cookie = cookieOf(&body)
		}
	}
	switch {
	case c.next == PayloadNone && len(c.r.b) != 0:
		return nil, nil, &ParseError{Offset: c.r.offset, Why: "bytes after the last payload"}
	case len(nonce) < MinNonceLen || len(nonce) > MaxNonceLen:
		return nil, nil, &ParseError{Payload: PayloadNonce, Offset: len(b), Why: "no nonce of 16 to 256 bytes"}
	}
	return nonce, cookie, nil
}

// cookieOf is the data of a Notify payload, if that is a cookie.
func cookieOf(r *reader) []byte {
	r.uint8("protocol")
	size := int(r.uint8("SPI size"))
	t := NotifyType(r.uint16("notify type"))
	r.take(size, "SPI")
	if r.err != nil || t != NotifyCookie {
		return nil
	}
	return r.b
}
