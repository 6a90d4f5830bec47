package ikev2

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"causeway/ike/auth"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// Forge makes the machine send a request of its newest IKE SA, or of one whose peer is not
// authenticated yet, with these payloads, which a sound machine would not send.
func (m *Machine) Forge(now time.Time, ex wire.ExchangeType, payloads ...wire.Payload) []sa.Action {
	m.now, m.out = now, nil
	s := m.current()
	if s == nil {
		s = m.sas[len(m.sas)-1]
	}
	s.request(&forged{ex: ex}, payloads)
	return m.out
}

// ForgeRaw is Forge with arbitrary plaintext in the Encrypted payload.
func (m *Machine) ForgeRaw(ex wire.ExchangeType, first wire.PayloadType, plain []byte) []byte {
	s := m.current()
	h := s.header(ex, false, s.window.nextID)
	prefix, err := wire.AppendEncrypted(nil, h, first, len(plain)+s.outgoing.Overhead(len(plain)))
	if err != nil {
		panic(err)
	}
	raw, err := s.outgoing.Seal(prefix, prefix, plain, m.random.Source)
	if err != nil {
		panic(err)
	}
	return raw
}

// ForgeAnswer is an answer to the request that the peer has on its way: nothing
// but these payloads.
func (m *Machine) ForgeAnswer(ex wire.ExchangeType, payloads ...wire.Payload) []byte {
	s := m.current()
	draft, err := draftOf(s.header(ex, true, s.window.expectID), payloads)
	if err != nil {
		panic(err)
	}
	raw, err := s.seal(draft, m.random.Source)
	if err != nil {
		panic(err)
	}
	return raw[0]
}

// ForgeFragment is one fragment of the machine's next request.
func (m *Machine) ForgeFragment(ex wire.ExchangeType, number, total uint16, plain []byte) []byte {
	s := m.current()
	h := s.header(ex, false, s.window.nextID)
	prefix, err := wire.AppendEncryptedFragment(nil, h, wire.PayloadVendorID, number, total, len(plain)+s.outgoing.Overhead(len(plain)))
	if err != nil {
		panic(err)
	}
	raw, err := s.outgoing.Seal(prefix, prefix, plain, m.random.Source)
	if err != nil {
		panic(err)
	}
	return raw
}

// ForgeBeside is an empty request of the machine, whole or as one fragment, with a Vendor ID
// outside of what is encrypted.
func (m *Machine) ForgeBeside(ex wire.ExchangeType, cut bool) []byte {
	s := m.current()
	h, sealed := s.header(ex, false, s.window.nextID), s.outgoing.Overhead(0)
	prefix, err := wire.AppendEncrypted(nil, h, wire.PayloadNone, sealed)
	if cut {
		prefix, err = wire.AppendEncryptedFragment(nil, h, wire.PayloadNone, 1, 1, sealed)
	}
	if err != nil {
		panic(err)
	}
	beside := []byte{prefix[16], 0, 0, wire.GenericHeaderLen}
	prefix = slices.Insert(prefix, wire.HeaderLen, beside...)
	prefix[16] = byte(wire.PayloadVendorID)
	binary.BigEndian.PutUint32(prefix[24:], uint32(len(prefix)+sealed))
	raw, err := s.outgoing.Seal(prefix, prefix, nil, m.random.Source)
	if err != nil {
		panic(err)
	}
	return raw
}

// HeldFragments is how many fragments of messages that are not complete the
// machine holds.
func (m *Machine) HeldFragments() (n int) {
	for _, s := range m.sas {
		for _, p := range append(slices.Clone(s.requests.parts), s.answers.parts...) {
			if p != nil {
				n++
			}
		}
	}
	return n
}

// LoseChildren makes the machine forget its Child SAs.
func (m *Machine) LoseChildren() {
	for _, s := range m.sas {
		s.children = nil
	}
}

type forged struct {
	ex wire.ExchangeType
}

func (x *forged) kind() wire.ExchangeType      { return x.ex }
func (x *forged) respond(_ *ikeSA, _ *message) {}
func (x *forged) abandon(_ *ikeSA)             {}

// Secrets are all keys that the machine holds, for the test that they are
// erased.
func (m *Machine) Secrets() [][]byte {
	var out [][]byte
	for _, s := range m.sas {
		k := s.keys
		out = append(out, k.D, k.EI, k.ER, k.PI, k.PR)
		for _, c := range s.children {
			out = append(out, c.EncryptionIn.Bytes(), c.EncryptionOut.Bytes())
		}
	}
	return out
}

// PeerAddresses are the further addresses that the peer told.
func (m *Machine) PeerAddresses() []netip.Addr { return m.current().peerAddresses }

// TicketKey is the SK_d that the machine keeps with its ticket, or nil.
func (m *Machine) TicketKey() []byte {
	if m.ticket == nil {
		return nil
	}
	return m.ticket.skd
}

// Busy reports whether Up would begin nothing.
func (m *Machine) Busy() bool { return m.busy() }

// Observe has the PRFs of the half-open IKE SAs tell what they take in.
func (a *Acceptor) Observe(see func(octets int)) {
	for _, h := range a.halves {
		if h.stage != stageOver {
			h.prf = h.prf.Observed(see)
		}
	}
}

// ResumedAlone reports whether the peer's AUTH of the session's resumption covered its
// message alone.
func (m *Machine) ResumedAlone() bool { return m.current().resumed.alone }

// ForgetTicket throws the ticket away.
func (m *Machine) ForgetTicket() { m.forgetTicket() }

// SetMessageIDs has the newest IKE SA, or one that is being made, go on with these message
// IDs.
func (m *Machine) SetMessageIDs(send, receive uint32) {
	s := m.current()
	if s == nil {
		s = m.sas[len(m.sas)-1]
	}
	w := &s.window
	w.nextID, w.expectID = send, receive
}

// ShownWith is IDi with something in its reserved octets, and the AUTH of the initiator,
// which has a pre-shared key, over it.
func (m *Machine) ShownWith(reserved [3]byte, shown *wire.Identification) (*wire.Identification, *wire.Authentication) {
	s := m.sas[len(m.sas)-1]
	id := *shown
	id.Reserved = reserved
	body, _ := id.AppendBody(nil)
	octets := keymat.SignedOctets(s.initRequest, s.nonceR, s.prf, s.keys.PI, body)
	return &id, &wire.Authentication{Method: wire.AuthSharedKey, Data: auth.PSK(s.prf, m.settings.PSK, octets)}
}

// Exponents are the private keys that the machine holds for key exchanges of its own.
func (m *Machine) Exponents() (keys []transform.PrivateKey) {
	for _, s := range m.sas {
		switch x := s.current.(type) {
		case *initExchange:
			keys = append(keys, x.private)
		case *rekeyExchange:
			keys = append(keys, x.private)
		case *createExchange:
			keys = append(keys, x.offer.private)
		case *intermediateExchange:
			keys = append(keys, x.private)
		case *followUpExchange:
			keys = append(keys, x.private)
		}
	}
	return keys
}

// Exponents are those of the acceptor.
func (a *Acceptor) Exponents() (keys []transform.PrivateKey) {
	for _, h := range a.halves {
		if h.private != nil {
			keys = append(keys, h.private)
		}
	}
	return keys
}
