package transform

import "fmt"

// Type is a transform type (RFC 7296 §3.3.2).
type Type uint8

// The transform types of RFC 7296.
const (
	Encryption      Type = 1
	PseudoRandom    Type = 2
	Integrity       Type = 3
	KeyExchange     Type = 4
	SequenceNumbers Type = 5
)

// The first and the last of the transform types Additional Key Exchange 1 to 7
// (RFC 9370 §2.2.1). Their IDs are those of KeyExchange.
const (
	FirstAdditional Type = 6
	LastAdditional  Type = 12
)

// MaxAdditional is how many additional key exchanges there can be.
const MaxAdditional = int(LastAdditional-FirstAdditional) + 1

// Additional reports whether the type is an Additional Key Exchange.
func (t Type) Additional() bool { return t >= FirstAdditional && t <= LastAdditional }

// String names the type as people speak of it.
func (t Type) String() string {
	switch t {
	case Encryption:
		return "encryption"
	case PseudoRandom:
		return "prf"
	case Integrity:
		return "integrity"
	case KeyExchange:
		return "key exchange"
	case SequenceNumbers:
		return "sequence numbers"
	}
	if t.Additional() {
		return fmt.Sprintf("additional key exchange %d", t-FirstAdditional+1)
	}
	return fmt.Sprintf("transform type %d", uint8(t))
}

// Protocol is a security protocol identifier (RFC 7296 §3.3.1).
type Protocol uint8

// The protocols of RFC 7296 §3.3.1. AH is known here by name only.
const (
	IKE Protocol = 1
	AH  Protocol = 2
	ESP Protocol = 3
)

// String names the protocol.
func (p Protocol) String() string {
	switch p {
	case IKE:
		return "IKE"
	case AH:
		return "AH"
	case ESP:
		return "ESP"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// Transform IDs of type Encryption.
const (
	DES              uint16 = 2  // RFC 2405; refused, and known by name only
	TripleDES        uint16 = 3  // RFC 2451
	Null             uint16 = 11 // RFC 2410
	AESCBC           uint16 = 12 // RFC 3602
	AESCCM8          uint16 = 14 // RFC 4309, RFC 5282
	AESCCM12         uint16 = 15
	AESCCM16         uint16 = 16
	AESGCM8          uint16 = 18 // RFC 4106, RFC 5282
	AESGCM12         uint16 = 19
	AESGCM16         uint16 = 20
	AESGMAC          uint16 = 21 // RFC 4543
	ChaCha20Poly1305 uint16 = 28 // RFC 7634
)

// Transform IDs of type PseudoRandom.
const (
	PRFHMACMD5    uint16 = 1 // refused, and known by name only
	PRFHMACSHA1   uint16 = 2 // RFC 2104
	PRFHMACSHA256 uint16 = 5 // RFC 4868
	PRFHMACSHA384 uint16 = 6
	PRFHMACSHA512 uint16 = 7
)

// Transform IDs of type Integrity.
const (
	IntegrityNone uint16 = 0
	HMACMD5_96    uint16 = 1 // RFC 2403; refused, and known by name only
	HMACSHA1_96   uint16 = 2 // RFC 2404
	HMACSHA256128 uint16 = 12
	HMACSHA384192 uint16 = 13 // RFC 4868
	HMACSHA512256 uint16 = 14
)

// Transform IDs of type KeyExchange.
const (
	GroupNone uint16 = 0
	MODP1024  uint16 = 2 // RFC 7296 appendix B.2
	MODP1536  uint16 = 5 // RFC 3526
	MODP2048  uint16 = 14
	MODP3072  uint16 = 15
	MODP4096  uint16 = 16
	MODP6144  uint16 = 17
	MODP8192  uint16 = 18
	ECP256    uint16 = 19 // RFC 5903
	ECP384    uint16 = 20
	ECP521    uint16 = 21
	X25519    uint16 = 31 // RFC 8031
	X448      uint16 = 32
	MLKEM512  uint16 = 35 // draft-ietf-ipsecme-ikev2-mlkem, FIPS 203
	MLKEM768  uint16 = 36
	MLKEM1024 uint16 = 37
)

// Transform IDs of type SequenceNumbers.
const (
	NoESN uint16 = 0
	ESN   uint16 = 1
)

// Transform is one algorithm of a proposal. KeyBits is the Key Length
// attribute (RFC 7296 §3.3.5), 0 where it is absent. The zero value is no
// transform.
type Transform struct {
	Type    Type
	ID      uint16
	KeyBits uint16
}

// String is the keyword of the transform, or its numbers where it has none.
func (t Transform) String() string {
	if t == (Transform{}) {
		return ""
	}
	if k, ok := keywordOf(t); ok {
		return t.Type.prefix() + k.Name
	}
	if name, ok := broken[t]; ok {
		return name
	}
	if t.KeyBits != 0 {
		return fmt.Sprintf("%s#%d/%d", t.Type.short(), t.ID, t.KeyBits)
	}
	return fmt.Sprintf("%s#%d", t.Type.short(), t.ID)
}

// broken are algorithms that old devices offer and nobody gets.
var broken = map[Transform]string{
	{Type: Encryption, ID: DES}: "des", {Type: Integrity, ID: HMACMD5_96}: "md5", {Type: PseudoRandom, ID: PRFHMACMD5}: "prfmd5",
}

// short is the type's name inside the text of a transform without a keyword.
func (t Type) short() string {
	switch t {
	case Encryption:
		return "encr"
	case PseudoRandom:
		return "prf"
	case Integrity:
		return "integ"
	case KeyExchange:
		return "group"
	case SequenceNumbers:
		return "esn"
	}
	if t.Additional() {
		return t.prefix() + "group"
	}
	return fmt.Sprintf("type%d", uint8(t))
}

// prefix is what stands before the keyword of a key exchange that is additional.
func (t Type) prefix() string {
	if t.Additional() {
		return fmt.Sprintf("ke%d_", t-FirstAdditional+1)
	}
	return ""
}

// aead tells whether the transform authenticates by itself.
func (t Transform) aead() bool {
	_, ok := aeads[t.ID]
	return t.Type == Encryption && ok
}

// readable tells whether the transform takes the place of encryption without
// encrypting.
func (t Transform) readable() bool {
	return t.Type == Encryption && (t.ID == Null || t.ID == AESGMAC)
}

// none tells whether the transform is the explicit NONE of its type, which
// makes the type optional (RFC 7296 §3.3.2).
func (t Transform) none() bool {
	return (t.Type == Integrity || t.Type == KeyExchange || t.Type.Additional()) && t.ID == 0 && t.KeyBits == 0
}
