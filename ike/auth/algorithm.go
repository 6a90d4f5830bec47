package auth

import (
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// AlgorithmIdentifier blobs of RFC 7427 appendix A, RFC 4055 §3.1 and §5,
// RFC 5758 §3.2 and RFC 8420 §3. They are read strictly: what is not the
// encoding of a scheme known here is refused, and no parameter reaches the
// arithmetic. For RSASSA-PSS that means: MGF1 with the same hash, and a salt as
// long as the hash.

var (
	oidPSS     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}

	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
)

// plainAlgorithms are those without parameters of their own.
var plainAlgorithms = []struct {
	scheme Scheme
	oid    asn1.ObjectIdentifier
	null   bool // parameters are NULL when we encode; RFC 4055 §5 accepts both
}{
	{RSASHA1, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, true},
	{RSASHA256, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, true},
	{RSASHA384, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, true},
	{RSASHA512, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, true},
	{ECDSASHA256, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, false},
	{ECDSASHA384, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, false},
	{ECDSASHA512, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, false},
	{Ed25519, oidEd25519, false},
}

var hashOIDs = []struct {
	hash HashAlgorithm
	oid  asn1.ObjectIdentifier
}{{HashSHA256, oidSHA256}, {HashSHA384, oidSHA384}, {HashSHA512, oidSHA512}}

// maxAlgorithm bounds an AlgorithmIdentifier; its length is one octet.
const maxAlgorithm = 255

// algorithm is the DER of the scheme's AlgorithmIdentifier.
func (s Scheme) algorithm() []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if s.pss {
			b.AddASN1ObjectIdentifier(oidPSS)
			s.addPSS(b)
			return
		}
		for _, a := range plainAlgorithms {
			if a.scheme == s {
				b.AddASN1ObjectIdentifier(a.oid)
				if a.null {
					b.AddASN1NULL()
				}
			}
		}
	})
	return b.BytesOrPanic()
}

// addPSS appends RSASSA-PSS-params in DER: the trailer field has its default
// and so is left out.
func (s Scheme) addPSS(b *cryptobyte.Builder) {
	hash := func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, h := range hashOIDs {
				if h.hash == s.hash {
					b.AddASN1ObjectIdentifier(h.oid)
				}
			}
			b.AddASN1NULL()
		})
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(0), hash)
		b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidMGF1)
				hash(b)
			})
		})
		b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(s.hash.hash().Size())) })
	})
}

func explicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).Constructed().ContextSpecific() }

var errAlgorithm = errors.New("auth: malformed AlgorithmIdentifier")

// UnsupportedAlgorithmError is an AlgorithmIdentifier that is well-formed and
// of no scheme known here.
type UnsupportedAlgorithmError struct{ What string }

func (e *UnsupportedAlgorithmError) Error() string {
	return "auth: unsupported signature algorithm: " + e.What
}

// ParseAlgorithm reads the DER of an AlgorithmIdentifier.
func ParseAlgorithm(der []byte) (Scheme, error) {
	in := cryptobyte.String(der)
	var body cryptobyte.String
	var oid asn1.ObjectIdentifier
	if len(der) > maxAlgorithm || !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1ObjectIdentifier(&oid) {
		return Scheme{}, errAlgorithm
	}
	if oid.Equal(oidPSS) {
		return parsePSS(body)
	}
	for _, a := range plainAlgorithms {
		if !oid.Equal(a.oid) {
			continue
		}
		if body.Empty() || a.null && onlyNULL(body) {
			return a.scheme, nil
		}
		return Scheme{}, errAlgorithm
	}
	return Scheme{}, &UnsupportedAlgorithmError{oid.String()}
}

func onlyNULL(s cryptobyte.String) bool {
	var null cryptobyte.String
	return s.ReadASN1(&null, cbasn1.NULL) && null.Empty() && s.Empty()
}

// parsePSS reads RSASSA-PSS-params (RFC 4055 §3.1). Without parameters, or
// without a hash, SHA-1 is meant.
func parsePSS(rest cryptobyte.String) (Scheme, error) {
	sha1 := &UnsupportedAlgorithmError{"RSASSA-PSS with SHA-1"}
	var params, field cryptobyte.String
	if rest.Empty() {
		return Scheme{}, sha1
	}
	if !rest.ReadASN1(&params, cbasn1.SEQUENCE) || !rest.Empty() {
		return Scheme{}, errAlgorithm
	}
	if !params.PeekASN1Tag(explicit(0)) {
		return Scheme{}, sha1
	}
	if !params.ReadASN1(&field, explicit(0)) {
		return Scheme{}, errAlgorithm
	}
	hash, err := readHash(field)
	if err != nil {
		return Scheme{}, err
	}
	if err := readMGF1(&params, hash); err != nil {
		return Scheme{}, err
	}
	salt, trailer := 20, 1 // the defaults
	ok := readNumber(&params, 2, &salt) && readNumber(&params, 3, &trailer) && params.Empty()
	switch {
	case !ok:
		return Scheme{}, errAlgorithm
	case salt != hash.hash().Size():
		return Scheme{}, &UnsupportedAlgorithmError{fmt.Sprintf("RSASSA-PSS with %v and a salt of %d octets, not %d", hash, salt, hash.hash().Size())}
	case trailer != 1:
		return Scheme{}, &UnsupportedAlgorithmError{fmt.Sprintf("RSASSA-PSS with trailer %d", trailer)}
	}
	return Scheme{keyRSA, true, hash}, nil
}

// readHash reads the AlgorithmIdentifier of a hash, whose parameters are absent
// or NULL.
func readHash(s cryptobyte.String) (HashAlgorithm, error) {
	var body cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !s.Empty() || !body.ReadASN1ObjectIdentifier(&oid) || !body.Empty() && !onlyNULL(body) {
		return 0, errAlgorithm
	}
	for _, h := range hashOIDs {
		if oid.Equal(h.oid) {
			return h.hash, nil
		}
	}
	return 0, &UnsupportedAlgorithmError{"RSASSA-PSS with hash " + oid.String()}
}

// readMGF1 reads the mask generation function; without it MGF1 with SHA-1 is
// meant.
func readMGF1(params *cryptobyte.String, hash HashAlgorithm) error {
	var field, body cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !params.PeekASN1Tag(explicit(1)) {
		return &UnsupportedAlgorithmError{"RSASSA-PSS with MGF1 of SHA-1"}
	}
	if !params.ReadASN1(&field, explicit(1)) || !field.ReadASN1(&body, cbasn1.SEQUENCE) || !field.Empty() || !body.ReadASN1ObjectIdentifier(&oid) {
		return errAlgorithm
	}
	if !oid.Equal(oidMGF1) {
		return &UnsupportedAlgorithmError{"RSASSA-PSS with mask " + oid.String()}
	}
	mask, err := readHash(body)
	if err != nil {
		return err
	}
	if mask != hash {
		return &UnsupportedAlgorithmError{fmt.Sprintf("RSASSA-PSS with %v and MGF1 of %v", hash, mask)}
	}
	return nil
}

// readNumber reads the explicitly tagged INTEGER n, if it is there.
func readNumber(params *cryptobyte.String, n uint8, into *int) bool {
	var field cryptobyte.String
	if !params.PeekASN1Tag(explicit(n)) {
		return true
	}
	var v int64
	if !params.ReadASN1(&field, explicit(n)) || !field.ReadASN1Integer(&v) || !field.Empty() || v < 0 || v > 1<<20 {
		return false
	}
	*into = int(v)
	return true
}
