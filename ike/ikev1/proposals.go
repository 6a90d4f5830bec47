package ikev1

import (
	"encoding/binary"
	"slices"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// A transform of IKEv1 is a whole suite, where a proposal of the configuration
// has alternatives for each type. So an offer lists the combinations, and an
// answer repeats one of them (RFC 2409 §5, RFC 2407 §4.5).

// maxCombinations bounds the transforms of one proposal: their count is one
// octet.
const maxCombinations = 255

// These are the numbers of IKEv1 for those of transform. DES and MD5 are there to
// be told by name: transform takes them from nobody.
var (
	phaseOneHash = map[uint16]uint16{
		transform.PRFHMACMD5:  isakmp.HashMD5,
		transform.PRFHMACSHA1: isakmp.HashSHA1, transform.PRFHMACSHA256: isakmp.HashSHA256,
		transform.PRFHMACSHA384: isakmp.HashSHA384, transform.PRFHMACSHA512: isakmp.HashSHA512,
	}
	hashIntegrity = map[uint16]uint16{
		transform.PRFHMACMD5:  transform.HMACMD5_96,
		transform.PRFHMACSHA1: transform.HMACSHA1_96, transform.PRFHMACSHA256: transform.HMACSHA256128,
		transform.PRFHMACSHA384: transform.HMACSHA384192, transform.PRFHMACSHA512: transform.HMACSHA512256,
	}
	phaseOneEncryption = map[uint16]uint16{
		transform.AESCBC: isakmp.EncryptionAESCBC, transform.TripleDES: isakmp.Encryption3DES, transform.DES: isakmp.EncryptionDES,
	}
	phaseTwoAuth = map[uint16]uint16{
		transform.HMACMD5_96:  isakmp.IPsecHMACMD5,
		transform.HMACSHA1_96: isakmp.IPsecHMACSHA1, transform.HMACSHA256128: isakmp.IPsecHMACSHA256,
		transform.HMACSHA384192: isakmp.IPsecHMACSHA384, transform.HMACSHA512256: isakmp.IPsecHMACSHA512,
	}
	phaseTwoEncryption = map[uint16]uint8{
		transform.TripleDES: isakmp.ESP3DES, transform.DES: isakmp.ESPDES,
		transform.AESCBC: isakmp.ESPAESCBC, transform.AESGCM8: isakmp.ESPAESGCM8,
		transform.AESGCM12: isakmp.ESPAESGCM12, transform.AESGCM16: isakmp.ESPAESGCM16,
	}
)

// keyOf finds the key of a value, 0 if there is none.
func keyOf[K, V comparable](m map[K]V, v V) (key K) {
	for k, x := range m {
		if x == v {
			return k
		}
	}
	return key
}

// combinations are the suites that the proposals allow, the best first. A PRF
// and an integrity algorithm of different hashes have no form in IKEv1.
func combinations(proto transform.Protocol, ps []transform.Proposal) []transform.Suite {
	var out []transform.Suite
	for _, p := range ps {
		for _, x := range expand(p) {
			s, _, err := transform.Match(proto, []transform.Proposal{x}, []transform.Proposal{x})
			if err == nil && speaks(s) && !slices.Contains(out, s) && len(out) < maxCombinations {
				out = append(out, s)
			}
		}
	}
	return out
}

// expand splits a proposal into those with one transform of each type.
func expand(p transform.Proposal) []transform.Proposal {
	out := []transform.Proposal{{Protocol: p.Protocol}}
	for typ := transform.Encryption; typ <= transform.SequenceNumbers; typ++ {
		var next []transform.Proposal
		for _, head := range out {
			found := false
			for _, t := range p.Transforms {
				if t.Type == typ && len(next) < 4*maxCombinations {
					found = true
					next = append(next, transform.Proposal{Protocol: p.Protocol, Transforms: append(slices.Clip(head.Transforms), t)})
				}
			}
			if !found {
				next = append(next, head)
			}
		}
		out = next
	}
	return out
}

// speaks reports whether IKEv1 has numbers for the suite.
func speaks(s transform.Suite) bool {
	switch s.Protocol {
	case transform.IKE:
		_, encryption := phaseOneEncryption[s.Encryption.ID]
		_, hash := phaseOneHash[s.PRF.ID]
		return encryption && hash && hashIntegrity[s.PRF.ID] == s.Integrity.ID && s.Group.ID <= transform.ECP521
	case transform.ESP:
		_, encryption := phaseTwoEncryption[s.Encryption.ID]
		_, auth := phaseTwoAuth[s.Integrity.ID]
		return encryption && (auth || s.AEAD()) && s.Group.ID <= transform.ECP521
	}
	return false
}

// offerPhaseOne is the SA payload of Main or Aggressive Mode.
func offerPhaseOne(suites []transform.Suite, methods []uint16, life time.Duration) *isakmp.SecurityAssociation {
	p := isakmp.Proposal{Number: 1, Protocol: isakmp.ProtocolISAKMP}
	for _, s := range suites {
		for _, method := range methods {
			if len(p.Transforms) == maxCombinations {
				break
			}
			t := isakmp.Transform{Number: uint8(len(p.Transforms) + 1), ID: isakmp.TransformKeyIKE, Attributes: []isakmp.Attribute{
				isakmp.Short(isakmp.AttrEncryption, phaseOneEncryption[s.Encryption.ID])}}
			if s.Encryption.KeyBits != 0 {
				t.Attributes = append(t.Attributes, isakmp.Short(isakmp.AttrKeyLength, s.Encryption.KeyBits))
			}
			t.Attributes = append(t.Attributes,
				isakmp.Short(isakmp.AttrHash, phaseOneHash[s.PRF.ID]),
				isakmp.Short(isakmp.AttrGroup, s.Group.ID),
				isakmp.Short(isakmp.AttrAuth, method))
			if life > 0 {
				t.Attributes = append(t.Attributes,
					isakmp.Short(isakmp.AttrLifeType, isakmp.LifeSeconds),
					isakmp.Long(isakmp.AttrLifeDuration, uint32(life/time.Second)))
			}
			p.Transforms = append(p.Transforms, t)
		}
	}
	return &isakmp.SecurityAssociation{Proposals: []isakmp.Proposal{p}}
}

// phaseOne is one transform of a phase 1 offer, understood.
type phaseOne struct {
	proposal transform.Proposal
	method   uint16
	life     time.Duration // 0: not said
	known    bool          // every attribute is understood
}

func readPhaseOne(t isakmp.Transform) phaseOne {
	p := phaseOne{known: t.ID == isakmp.TransformKeyIKE}
	encr := transform.Transform{Type: transform.Encryption}
	var hash, group, lifeType uint64
	for _, a := range t.Attributes {
		v, ok := a.Number()
		p.known = p.known && ok
		switch a.Type {
		case isakmp.AttrEncryption:
			if encr.ID = keyOf(phaseOneEncryption, uint16(v)); encr.ID == 0 {
				encr.ID = 0xff00 | uint16(v)&0xff // shown as a number
			}
		case isakmp.AttrKeyLength:
			encr.KeyBits = uint16(v)
		case isakmp.AttrHash:
			hash = v
		case isakmp.AttrGroup:
			group = v
		case isakmp.AttrAuth:
			p.method = uint16(v)
		case isakmp.AttrLifeType:
			lifeType = v
		case isakmp.AttrLifeDuration:
			if lifeType == uint64(isakmp.LifeSeconds) {
				p.life = seconds(v)
			}
		default:
			p.known = false // group descriptions, another PRF
		}
	}
	prf := keyOf(phaseOneHash, uint16(hash))
	p.proposal = transform.Proposal{Protocol: transform.IKE, Transforms: []transform.Transform{
		encr, {Type: transform.PseudoRandom, ID: prf}, {Type: transform.Integrity, ID: hashIntegrity[prf]},
		{Type: transform.KeyExchange, ID: uint16(group)},
	}}
	return p
}

// seconds bounds a lifetime that a peer names: beyond a year it is none.
func seconds(v uint64) time.Duration {
	const year = 365 * 24 * 3600
	return time.Duration(min(v, year)) * time.Second
}

// offerPhaseTwo is the SA payload of a Quick Mode. All suites have one group.
func offerPhaseTwo(suites []transform.Suite, spi uint32, life sa.Lifetime, modes []uint16) *isakmp.SecurityAssociation {
	p := isakmp.Proposal{Number: 1, Protocol: isakmp.ProtocolESP, SPI: binary.BigEndian.AppendUint32(nil, spi)}
	for _, mode := range modes {
		p.Transforms = appendPhaseTwo(p.Transforms, suites, life, mode)
	}
	return &isakmp.SecurityAssociation{Proposals: []isakmp.Proposal{p}}
}

// appendPhaseTwo appends the suites in one encapsulation mode, as far as there is
// room.
func appendPhaseTwo(ts []isakmp.Transform, suites []transform.Suite, life sa.Lifetime, mode uint16) []isakmp.Transform {
	for _, s := range suites {
		if len(ts) == maxCombinations {
			break
		}
		t := isakmp.Transform{Number: uint8(len(ts) + 1), ID: phaseTwoEncryption[s.Encryption.ID]}
		t.Attributes = append(t.Attributes, lifeAttributes(life)...)
		if s.Group.ID != 0 {
			t.Attributes = append(t.Attributes, isakmp.Short(isakmp.AttrIPsecGroup, s.Group.ID))
		}
		t.Attributes = append(t.Attributes, isakmp.Short(isakmp.AttrIPsecMode, mode))
		if !s.AEAD() {
			t.Attributes = append(t.Attributes, isakmp.Short(isakmp.AttrIPsecAuth, phaseTwoAuth[s.Integrity.ID]))
		}
		if s.Encryption.KeyBits != 0 {
			t.Attributes = append(t.Attributes, isakmp.Short(isakmp.AttrIPsecKeyLength, s.Encryption.KeyBits))
		}
		if s.ESN {
			t.Attributes = append(t.Attributes, isakmp.Short(isakmp.AttrIPsecESN, 1))
		}
		ts = append(ts, t)
	}
	return ts
}

// lifeAttributes are a lifetime as attributes of phase 2.
func lifeAttributes(l sa.Lifetime) []isakmp.Attribute {
	var out []isakmp.Attribute
	if l.Time > 0 {
		out = append(out, isakmp.Short(isakmp.AttrIPsecLifeType, isakmp.LifeSeconds),
			isakmp.Long(isakmp.AttrIPsecLifeDuration, uint32(l.Time/time.Second)))
	}
	if kilobytes := l.Bytes / 1024; kilobytes > 0 {
		out = append(out, isakmp.Short(isakmp.AttrIPsecLifeType, isakmp.LifeKilobytes),
			isakmp.Long(isakmp.AttrIPsecLifeDuration, uint32(min(kilobytes, 1<<32-1))))
	}
	return out
}

// phaseTwo is one transform of a Quick Mode, understood.
type phaseTwo struct {
	proposal transform.Proposal
	life     sa.Lifetime
	mode     uint16
	known    bool
}

func readPhaseTwo(t isakmp.Transform) phaseTwo {
	p := phaseTwo{known: true}
	encr := transform.Transform{Type: transform.Encryption, ID: keyOf(phaseTwoEncryption, t.ID)}
	if encr.ID == 0 {
		encr.ID = 0xff00 | uint16(t.ID)
	}
	integ := transform.Transform{Type: transform.Integrity}
	esn := transform.Transform{Type: transform.SequenceNumbers, ID: transform.NoESN}
	var group, lifeType uint64
	for _, a := range t.Attributes {
		v, ok := a.Number()
		p.known = p.known && ok
		switch a.Type {
		case isakmp.AttrIPsecKeyLength:
			encr.KeyBits = uint16(v)
		case isakmp.AttrIPsecAuth:
			if integ.ID = keyOf(phaseTwoAuth, uint16(v)); integ.ID == 0 {
				integ.ID = 0xff00 | uint16(v)&0xff
			}
		case isakmp.AttrIPsecGroup:
			group = v
		case isakmp.AttrIPsecMode:
			p.mode = uint16(v)
		case isakmp.AttrIPsecESN:
			if v == 1 {
				esn.ID = transform.ESN
			}
		case isakmp.AttrIPsecLifeType:
			lifeType = v
		case isakmp.AttrIPsecLifeDuration:
			p.life = withLife(p.life, lifeType, v)
		default:
			p.known = false // compression, RC5 rounds
		}
	}
	p.proposal = transform.Proposal{Protocol: transform.ESP, Transforms: []transform.Transform{encr, esn}}
	if integ.ID != 0 {
		p.proposal.Transforms = append(p.proposal.Transforms, integ)
	}
	if group != 0 {
		p.proposal.Transforms = append(p.proposal.Transforms, transform.Transform{Type: transform.KeyExchange, ID: uint16(group)})
	}
	return p
}

// withLife adds one limit that a peer names.
func withLife(l sa.Lifetime, lifeType, v uint64) sa.Lifetime {
	switch lifeType {
	case uint64(isakmp.LifeSeconds):
		l.Time = seconds(v)
	case uint64(isakmp.LifeKilobytes):
		l.Bytes = min(v, 1<<50) * 1024
	}
	return l
}

// readLife reads the data of a RESPONDER-LIFETIME (RFC 2407 §4.6.3.1). About an ISAKMP
// SA some write the attributes of phase 1, as we do, and some those of phase 2.
func readLife(data []byte) (l sa.Lifetime, ok bool) {
	list, err := isakmp.ParseAttributes(data)
	if err != nil {
		return l, false
	}
	var lifeType uint64
	for _, a := range list {
		v, ok := a.Number()
		switch {
		case !ok:
			return l, false
		case a.Type == isakmp.AttrIPsecLifeType, a.Type == isakmp.AttrLifeType:
			lifeType = v
		case a.Type == isakmp.AttrIPsecLifeDuration, a.Type == isakmp.AttrLifeDuration:
			l = withLife(l, lifeType, v)
		}
	}
	return l, true
}

// lower is the lower limit of each kind; 0 is no limit.
func lower(a, b sa.Lifetime) sa.Lifetime {
	return sa.Lifetime{Time: lesser(a.Time, b.Time), Bytes: lesser(a.Bytes, b.Bytes), Packets: lesser(a.Packets, b.Packets)}
}

func lesser[N time.Duration | uint64](a, b N) N {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
