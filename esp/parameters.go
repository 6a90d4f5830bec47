package esp

import "fmt"

// Cipher is the encryption of an SA.
type Cipher uint8

// The ciphers. AESCBC, TripleDES and Null need an integrity algorithm; the others
// authenticate too and go with IntegrityNone. The number in a name is the bytes
// of the ICV. AESGMAC and Null leave the payload readable.
const (
	AESGCM16 Cipher = iota + 1
	AESCBC
	AESGCM12
	AESGCM8
	AESCCM16
	AESCCM12
	AESCCM8
	ChaCha20Poly1305
	AESGMAC
	Null
	TripleDES
)

// cipherNames are as in proposals, without the length of the key.
var cipherNames = [...]string{
	AESGCM16: "aesgcm16", AESGCM12: "aesgcm12", AESGCM8: "aesgcm8",
	AESCCM16: "aesccm16", AESCCM12: "aesccm12", AESCCM8: "aesccm8",
	ChaCha20Poly1305: "chacha20poly1305", AESGMAC: "aesgmac",
	AESCBC: "aescbc", Null: "null", TripleDES: "3des",
}

// String names the cipher as proposals do.
func (c Cipher) String() string {
	if int(c) < len(cipherNames) && c != 0 {
		return cipherNames[c]
	}
	return fmt.Sprintf("cipher %d", uint8(c))
}

// Integrity is the authentication of an SA whose cipher has none.
type Integrity uint8

// The integrity algorithms, named by their ICV's bits.
const (
	IntegrityNone Integrity = iota
	HMACSHA1_96
	HMACSHA256_128
	HMACSHA384_192
	HMACSHA512_256
)

// String names the algorithm as proposals do.
func (i Integrity) String() string {
	switch i {
	case IntegrityNone:
		return "none"
	case HMACSHA1_96:
		return "sha1"
	case HMACSHA256_128:
		return "sha256"
	case HMACSHA384_192:
		return "sha384"
	case HMACSHA512_256:
		return "sha512"
	}
	return fmt.Sprintf("integrity %d", uint8(i))
}

// The replay window, in packets.
const (
	MinReplayWindow     = 64
	MaxReplayWindow     = 65536
	DefaultReplayWindow = 8192
)

// Parameters describe one direction of a Child SA. The keys are not kept: the
// caller may erase them once the SA is made.
type Parameters struct {
	SPI       uint32
	Cipher    Cipher
	Integrity Integrity
	// EncryptionKey is the key; what an AEAD has of salt follows it: four bytes
	// (RFC 4106 §8.1, RFC 4543 §5.4, RFC 7634 §2), of AES-CCM three (RFC 4309
	// §7.1). Null has none.
	EncryptionKey []byte
	// IntegrityKey is as long as the hash's output (RFC 4868 §2.1.1).
	IntegrityKey []byte
	// ESN says that extended sequence numbers were negotiated.
	ESN bool
	// ReplayWindow is in packets, MinReplayWindow to MaxReplayWindow, rounded
	// up to a multiple of 64; zero is DefaultReplayWindow. The window cannot be
	// turned off. An Outbound ignores it.
	ReplayWindow int
	// NoTFC says that the peer takes no traffic flow confidentiality padding
	// (RFC 7296 §1.3.1: ESP_TFC_PADDING_NOT_SUPPORTED).
	NoTFC bool
	// Limits end the SA's life besides its sequence numbers.
	Limits Limits
}

// String describes the SA without its keys.
func (p Parameters) String() string {
	return fmt.Sprintf("SPI %08x %v-%v esn=%v", p.SPI, p.Cipher, p.Integrity, p.ESN)
}

// GoString keeps the keys out of %#v.
func (p Parameters) GoString() string { return "esp.Parameters{" + p.String() + "}" }

// newTransform checks the parameters and makes the cryptography they name.
func (p Parameters) newTransform() (transform, error) {
	if p.SPI < 256 {
		return nil, fmt.Errorf("esp: SPI %d is reserved (RFC 4303 §2.1)", p.SPI)
	}
	switch p.Cipher {
	case AESGCM16:
		return newGCM(p, 16)
	case AESGCM12:
		return newGCM(p, 12)
	case AESGCM8:
		return newGCM(p, 8)
	case AESCCM16:
		return newCCM(p, 16)
	case AESCCM12:
		return newCCM(p, 12)
	case AESCCM8:
		return newCCM(p, 8)
	case ChaCha20Poly1305:
		return newChaCha(p)
	case AESGMAC:
		return newGMAC(p)
	case AESCBC:
		return newCBC(p)
	case Null:
		return newNull(p)
	case TripleDES:
		return newTripleDES(p)
	}
	return nil, fmt.Errorf("esp: SPI %08x: unknown %v", p.SPI, p.Cipher)
}

// replayWindow returns the size of the window in packets.
func (p Parameters) replayWindow() (int, error) {
	switch {
	case p.ReplayWindow == 0:
		return DefaultReplayWindow, nil
	case p.ReplayWindow < MinReplayWindow || p.ReplayWindow > MaxReplayWindow:
		return 0, fmt.Errorf("esp: SPI %08x: a replay window of %d packets is not between %d and %d",
			p.SPI, p.ReplayWindow, MinReplayWindow, MaxReplayWindow)
	}
	return (p.ReplayWindow + 63) &^ 63, nil
}
