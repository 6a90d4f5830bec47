package auth

import (
	"crypto"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	// Hashes that signatures name.
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
)

// HashAlgorithm is a number of the IANA registry "IKEv2 Hash Algorithms"
// (RFC 7427 §7, RFC 8420 §2).
type HashAlgorithm uint16

// The hash algorithms that are known here.
const (
	HashSHA1     HashAlgorithm = 1
	HashSHA256   HashAlgorithm = 2
	HashSHA384   HashAlgorithm = 3
	HashSHA512   HashAlgorithm = 4
	HashIdentity HashAlgorithm = 5 // the signature hashes by itself
)

var hashes = map[HashAlgorithm]struct {
	name string
	hash crypto.Hash
}{
	HashSHA1:     {"SHA-1", crypto.SHA1},
	HashSHA256:   {"SHA2-256", crypto.SHA256},
	HashSHA384:   {"SHA2-384", crypto.SHA384},
	HashSHA512:   {"SHA2-512", crypto.SHA512},
	HashIdentity: {"Identity", 0},
}

// String is the name of the registry, or "hash 99".
func (h HashAlgorithm) String() string {
	if known, ok := hashes[h]; ok {
		return known.name
	}
	return fmt.Sprintf("hash %d", uint16(h))
}

func (h HashAlgorithm) hash() crypto.Hash { return hashes[h].hash }

// maxHashAlgorithms bounds what a peer's notification may list; six are
// registered.
const maxHashAlgorithms = 64

// AppendHashAlgorithms appends the data of SIGNATURE_HASH_ALGORITHMS (RFC 7427
// §4).
func AppendHashAlgorithms(dst []byte, list []HashAlgorithm) []byte {
	for _, h := range list {
		dst = binary.BigEndian.AppendUint16(dst, uint16(h))
	}
	return dst
}

// ParseHashAlgorithms reads the data of SIGNATURE_HASH_ALGORITHMS. Numbers
// unknown here are kept, since a failure shows them.
func ParseHashAlgorithms(data []byte) ([]HashAlgorithm, error) {
	if len(data)%2 != 0 || len(data) > 2*maxHashAlgorithms {
		return nil, fmt.Errorf("auth: SIGNATURE_HASH_ALGORITHMS of %d octets", len(data))
	}
	var list []HashAlgorithm
	for ; len(data) > 0; data = data[2:] {
		list = append(list, HashAlgorithm(binary.BigEndian.Uint16(data)))
	}
	return list, nil
}

// keyKind is the kind of key that a scheme signs with.
type keyKind uint8

const (
	keyRSA keyKind = iota + 1
	keyECDSA
	keyEd25519
)

// Scheme is a way to sign. It is comparable; the zero value is none.
type Scheme struct {
	kind keyKind
	pss  bool
	hash HashAlgorithm
}

// The schemes.
var (
	RSAPSSSHA256 = Scheme{keyRSA, true, HashSHA256}
	RSAPSSSHA384 = Scheme{keyRSA, true, HashSHA384}
	RSAPSSSHA512 = Scheme{keyRSA, true, HashSHA512}
	RSASHA256    = Scheme{keyRSA, false, HashSHA256}
	RSASHA384    = Scheme{keyRSA, false, HashSHA384}
	RSASHA512    = Scheme{keyRSA, false, HashSHA512}
	RSASHA1      = Scheme{keyRSA, false, HashSHA1} // only where it is asked for
	ECDSASHA256  = Scheme{keyECDSA, false, HashSHA256}
	ECDSASHA384  = Scheme{keyECDSA, false, HashSHA384}
	ECDSASHA512  = Scheme{keyECDSA, false, HashSHA512}
	Ed25519      = Scheme{keyEd25519, false, HashIdentity}
)

var schemes = []struct {
	scheme  Scheme
	keyword string
	name    string
}{
	{ECDSASHA256, "ecdsa-sha256", "ECDSA with SHA2-256"},
	{ECDSASHA384, "ecdsa-sha384", "ECDSA with SHA2-384"},
	{ECDSASHA512, "ecdsa-sha512", "ECDSA with SHA2-512"},
	{Ed25519, "ed25519", "Ed25519"},
	{RSAPSSSHA256, "rsa-pss-sha256", "RSASSA-PSS with SHA2-256"},
	{RSAPSSSHA384, "rsa-pss-sha384", "RSASSA-PSS with SHA2-384"},
	{RSAPSSSHA512, "rsa-pss-sha512", "RSASSA-PSS with SHA2-512"},
	{RSASHA256, "rsa-sha256", "RSA PKCS #1 v1.5 with SHA2-256"},
	{RSASHA384, "rsa-sha384", "RSA PKCS #1 v1.5 with SHA2-384"},
	{RSASHA512, "rsa-sha512", "RSA PKCS #1 v1.5 with SHA2-512"},
	{RSASHA1, "rsa-sha1", "RSA PKCS #1 v1.5 with SHA-1"},
}

// DefaultSchemes are all but that with SHA-1, in order of preference (RFC 8247
// §3).
func DefaultSchemes() []Scheme {
	var list []Scheme
	for _, s := range schemes {
		if s.scheme != RSASHA1 {
			list = append(list, s.scheme)
		}
	}
	return list
}

// Keyword is the scheme as ParseScheme reads it.
func (s Scheme) Keyword() string {
	for _, known := range schemes {
		if known.scheme == s {
			return known.keyword
		}
	}
	return "none"
}

// String is the scheme's name in full.
func (s Scheme) String() string {
	for _, known := range schemes {
		if known.scheme == s {
			return known.name
		}
	}
	return "none"
}

// ParseScheme reads a keyword, such as rsa-pss-sha256.
func ParseScheme(text string) (Scheme, error) {
	var known []string
	for _, s := range schemes {
		if s.keyword == strings.ToLower(text) {
			return s.scheme, nil
		}
		known = append(known, s.keyword)
	}
	return Scheme{}, fmt.Errorf("auth: unknown signature scheme %q; allowed are %s", short(text), strings.Join(known, ", "))
}

// Hashes are the hash algorithms of schemes, each once.
func Hashes(list []Scheme) []HashAlgorithm {
	var out []HashAlgorithm
	for _, s := range list {
		if !slices.Contains(out, s.hash) {
			out = append(out, s.hash)
		}
	}
	slices.Sort(out)
	return out
}

func keywords(list []Scheme) string {
	var out []string
	for _, s := range list {
		out = append(out, s.Keyword())
	}
	return strings.Join(out, ", ")
}
