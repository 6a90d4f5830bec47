package transform

import "causeway/esp/tripledes"

// Suite is the chosen set: one transform of each type that applies. The zero
// Transform is an absent one: no PRF in ESP, no integrity with an AEAD, no
// group without perfect forward secrecy. Suites are comparable.
type Suite struct {
	Protocol                          Protocol
	Encryption, PRF, Integrity, Group Transform
	ESN                               bool
	// Additional are the Additional Key Exchanges 1 to 7 (RFC 9370); the zero
	// Transform is one that is not made.
	Additional [MaxAdditional]Transform
}

// Rest is the methods of the Additional Key Exchanges in the order in which they
// are made (RFC 9370 §2.2.2).
func (s Suite) Rest() []uint16 {
	var out []uint16
	for _, t := range s.Additional {
		if t != (Transform{}) {
			out = append(out, t.ID)
		}
	}
	return out
}

// AEAD tells whether the encryption authenticates as well (RFC 5282, RFC 4106),
// or in its place (RFC 4543).
func (s Suite) AEAD() bool { return s.Encryption.aead() }

// EncryptionKeyLen is how many octets of keying material the encryption takes.
// An AEAD's salt follows its key (RFC 4106 §8.1, RFC 4309 §7.1, RFC 4543 §5.4,
// RFC 5282 §7.1, RFC 7634 §2).
func (s Suite) EncryptionKeyLen() int {
	bits := int(s.Encryption.KeyBits)
	switch {
	case s.Encryption.Type != Encryption:
	case s.Encryption.ID == ChaCha20Poly1305:
		bits = 256 // RFC 7634 §4: the transform has no Key Length attribute
	case s.Encryption.ID == TripleDES:
		bits = 8 * tripledes.KeyLen // RFC 2451 §2.2
	}
	n := bits / 8
	if s.AEAD() {
		n += aeads[s.Encryption.ID].saltLen
	}
	return n
}

// IntegrityKeyLen is how many octets of keying material the integrity
// algorithm takes, 0 without one (RFC 2404 §3, RFC 4868 §2.1.1).
func (s Suite) IntegrityKeyLen() int {
	if h, ok := integrityOf(s.Integrity.ID); ok && s.Integrity.Type == Integrity {
		return h.keyLen
	}
	return 0
}

// Proposal is the proposal with exactly the transforms of the suite.
func (s Suite) Proposal() Proposal {
	p := Proposal{Protocol: s.Protocol}
	for _, t := range []Transform{s.Encryption, s.PRF, s.Integrity, s.Group} {
		if t != (Transform{}) {
			p.Transforms = append(p.Transforms, t)
		}
	}
	if s.Protocol == ESP {
		id := NoESN
		if s.ESN {
			id = ESN
		}
		p.Transforms = append(p.Transforms, Transform{Type: SequenceNumbers, ID: id})
	}
	for _, t := range s.Additional {
		if t != (Transform{}) {
			p.Transforms = append(p.Transforms, t)
		}
	}
	return p
}

// Answer is the suite as the reply to offered: where the offer held an explicit
// NONE of a type that the suite has not, the answer repeats it, since an
// answer has one transform of each type offered (RFC 7296 §3.3.6).
func (s Suite) Answer(offered Proposal) Proposal {
	p := s.Proposal()
	for _, t := range offered.Transforms {
		if t.none() && !p.has(t.Type) {
			p.Transforms = append(p.Transforms, t)
		}
	}
	return p
}

// String is the suite in keywords, as a configuration would ask for it.
func (s Suite) String() string {
	return s.Proposal().String()
}
