package ikev2

import (
	"encoding/binary"

	"causeway/ike/transform"
	"causeway/ike/wire"
)

// unknownTransform stands for a transform with an attribute that is unknown
// here: it must not be chosen (RFC 7296 §3.3.6), but its type is offered.
const unknownTransform = 0xffff

// toWire lays proposals out, all with the same SPI.
func toWire(ps []transform.Proposal, spi []byte) *wire.SecurityAssociation {
	out := &wire.SecurityAssociation{}
	for i, p := range ps {
		w := wire.Proposal{Number: uint8(i + 1), Protocol: wire.ProtocolID(p.Protocol), SPI: spi}
		for _, t := range p.Transforms {
			wt := wire.Transform{Type: wire.TransformType(t.Type), ID: t.ID}
			if t.KeyBits != 0 {
				wt.Attributes = []wire.Attribute{wire.KeyLengthAttribute(t.KeyBits)}
			}
			w.Transforms = append(w.Transforms, wt)
		}
		out.Proposals = append(out.Proposals, w)
	}
	return out
}

// fromWire reads an offer, proposal by proposal in the same order. A proposal
// whose SPI has not the length that proto and the exchange want matches
// nothing.
func fromWire(s *wire.SecurityAssociation, spiLen int) []transform.Proposal {
	out := make([]transform.Proposal, len(s.Proposals))
	for i := range s.Proposals {
		w := &s.Proposals[i]
		if len(w.SPI) == spiLen {
			out[i].Protocol = transform.Protocol(w.Protocol)
		}
		for j := range w.Transforms {
			t := &w.Transforms[j]
			bits, _ := t.KeyLength()
			id := t.ID
			if !t.Understood() {
				id, bits = unknownTransform, unknownTransform
			}
			out[i].Transforms = append(out[i].Transforms, transform.Transform{Type: transform.Type(t.Type), ID: id, KeyBits: bits})
		}
	}
	return out
}

// answerProposal is the responder's SA payload: the suite under the number of
// the chosen proposal, with our SPI (RFC 7296 §3.3).
func answerProposal(s transform.Suite, chosen *wire.Proposal, offered transform.Proposal, spi []byte) *wire.SecurityAssociation {
	out := toWire([]transform.Proposal{s.Answer(offered)}, spi)
	out.Proposals[0].Number = chosen.Number
	return out
}

// confirm reads the one proposal of a response and holds it against the offer.
func confirm(proto transform.Protocol, s *wire.SecurityAssociation, spiLen int, offered []transform.Proposal) (transform.Suite, []byte, error) {
	if len(s.Proposals) != 1 {
		return transform.Suite{}, nil, &syntaxError{"an answer chooses exactly one proposal"}
	}
	suite, err := transform.Confirm(proto, fromWire(s, spiLen)[0], offered)
	return suite, s.Proposals[0].SPI, err
}

func spiBytes(spi uint32) []byte { return binary.BigEndian.AppendUint32(nil, spi) }

func ikeSPIBytes(spi uint64) []byte { return binary.BigEndian.AppendUint64(nil, spi) }
