package auth

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"causeway/ike/wire"
	"causeway/test/pki"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rfc7427 are the blobs of RFC 7427 appendix A, and that of RFC 8420 §3.
var rfc7427 = []struct {
	name, hex string
	want      Scheme // none: refused
}{
	{"A.1.1 sha1WithRSAEncryption", "300d 0609 2a864886f70d010105 0500", RSASHA1},
	{"A.1.2 sha256WithRSAEncryption", "300d 0609 2a864886f70d01010b 0500", RSASHA256},
	{"A.1.3 sha384WithRSAEncryption", "300d 0609 2a864886f70d01010c 0500", RSASHA384},
	{"A.1.4 sha512WithRSAEncryption", "300d 0609 2a864886f70d01010d 0500", RSASHA512},
	{"A.2.1 dsa-with-sha1", "3009 0607 2a8648ce380403", Scheme{}},
	{"A.2.2 dsa-with-sha256", "300b 0609 608648016503040302", Scheme{}},
	{"A.3.1 ecdsa-with-sha1", "3009 0607 2a8648ce3d0401", Scheme{}},
	{"A.3.2 ecdsa-with-sha256", "300a 0608 2a8648ce3d040302", ECDSASHA256},
	{"A.3.3 ecdsa-with-sha384", "300a 0608 2a8648ce3d040303", ECDSASHA384},
	{"A.3.4 ecdsa-with-sha512", "300a 0608 2a8648ce3d040304", ECDSASHA512},
	{"A.4.1 RSASSA-PSS without parameters", "300b 0609 2a864886f70d01010a", Scheme{}},
	{"A.4.2 RSASSA-PSS with default parameters", "300d 0609 2a864886f70d01010a 3000", Scheme{}},
	{"A.4.3 RSASSA-PSS with SHA-256", "3046 0609 2a864886f70d01010a 3039 a00f 300d 0609 608648016503040201 0500" +
		"a11c 301a 0609 2a864886f70d010108 300d 0609 608648016503040201 0500 a203 020120 a303 020101", RSAPSSSHA256},
	{"RFC 8420 Ed25519", "3005 0603 2b6570", Ed25519},
}

func TestRFC7427Algorithms(t *testing.T) {
	for _, c := range rfc7427 {
		got, err := ParseAlgorithm(unhex(t, c.hex))
		if got != c.want || (err == nil) != (c.want != Scheme{}) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
		var unsupported *UnsupportedAlgorithmError
		if err != nil && !errors.As(err, &unsupported) {
			t.Errorf("%s: %v: it is well-formed", c.name, err)
		}
		if c.want.kind != 0 && !c.want.pss && !bytes.Equal(c.want.algorithm(), unhex(t, c.hex)) {
			t.Errorf("%s: made as %x", c.name, c.want.algorithm())
		}
	}
	for _, s := range schemes {
		if got, err := ParseAlgorithm(s.scheme.algorithm()); got != s.scheme || err != nil {
			t.Errorf("%v is read as %v, %v", s.scheme, got, err)
		}
	}
}

// TestStrictAlgorithms feeds what lenient readers took: CVE-2021-41990 (a huge
// salt), CVE-2018-6459 (no mask parameters), and garbage after and within.
func TestStrictAlgorithms(t *testing.T) {
	const hash, mask = pssHash, pssMask
	pss := func(params string) []byte { return pssAlgorithm(t, params) }
	if s, err := ParseAlgorithm(pss(hash + mask + "a203 020120")); s != RSAPSSSHA256 || err != nil {
		t.Fatalf("the sound one: %v, %v", s, err)
	}
	for name, der := range map[string][]byte{
		"CVE-2021-41990 a salt of 2^31-1":        pss(hash + mask + "a206 02047fffffff"),
		"CVE-2021-41990 a salt of 2^63-1":        pss(hash + mask + "a20a 02087fffffffffffffff"),
		"CVE-2021-41990 a salt of 2^64":          pss(hash + mask + "a20b 0209010000000000000000"),
		"a negative salt":                        pss(hash + mask + "a203 0201e0"),
		"a salt of 0":                            pss(hash + mask + "a203 020100"),
		"the default salt":                       pss(hash + mask),
		"CVE-2018-6459 no mask parameters":       pss(hash + "a10d 300b 0609 2a864886f70d010108" + "a203 020120"),
		"no mask":                                pss(hash + "a203 020120"),
		"no hash":                                pss(mask + "a203 020120"),
		"a mask of another hash":                 pss(hash + "a11c 301a 0609 2a864886f70d010108 300d 0609 608648016503040202 0500" + "a203 020120"),
		"an unknown mask":                        pss(hash + "a11c 301a 0609 2a864886f70d010109 300d 0609 608648016503040201 0500" + "a203 020120"),
		"an unknown trailer":                     pss(hash + mask + "a203 020120 a303 020102"),
		"fields in another order":                pss(mask + hash + "a203 020120"),
		"a field too many":                       pss(hash + mask + "a203 020120 a403 020101"),
		"hash parameters that are no NULL":       pss("a010 300e 0609 608648016503040201 040100" + mask + "a203 020120"),
		"NULL with content":                      unhex(t, "300e 0609 2a864886f70d01010b 050100"),
		"garbage after":                          unhex(t, "300d 0609 2a864886f70d01010b 0500 00"),
		"garbage after NULL":                     unhex(t, "300f 0609 2a864886f70d01010b 0500 0500"),
		"parameters that must be absent":         unhex(t, "300c 0608 2a8648ce3d040302 0500"),
		"a length that is not the shortest":      unhex(t, "30810d 0609 2a864886f70d01010b 0500"),
		"nothing":                                nil,
		"no sequence":                            unhex(t, "0609 2a864886f70d01010b"),
		"an indefinite length":                   unhex(t, "3080 0609 2a864886f70d01010b 0500 0000"),
		"MD5":                                    unhex(t, "300d 0609 2a864886f70d010104 0500"),
		"an unknown signature, as ML-DSA-65 was": unhex(t, "300b 0609 608648016503040312"),
	} {
		if s, err := ParseAlgorithm(der); err == nil {
			t.Errorf("%s is taken as %v", name, s)
		}
	}
	// Absent parameters of the hashes are as good as NULL (RFC 4055 §2.1).
	absent := pss("a00d 300b 0609 608648016503040201 a11a 3018 0609 2a864886f70d010108 300b 0609 608648016503040201 a203 020120")
	if s, err := ParseAlgorithm(absent); s != RSAPSSSHA256 || err != nil {
		t.Errorf("absent hash parameters: %v, %v", s, err)
	}
}

func FuzzParseAlgorithm(f *testing.F) {
	for _, c := range rfc7427 {
		f.Add(unhex(f, c.hex))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := ParseAlgorithm(der)
		if err != nil {
			return
		}
		if again, err := ParseAlgorithm(s.algorithm()); again != s || err != nil {
			t.Errorf("%v is encoded as what reads as %v, %v", s, again, err)
		}
	})
}

// TestWycheproof checks signatures that Project Wycheproof worked out, most of
// them flawed: among them the forgeries of CVE-2018-16151 and CVE-2026-50722.
func TestWycheproof(t *testing.T) {
	f, err := os.Open("testdata/wycheproof.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	var key crypto.PublicKey
	var scheme Scheme
	counts := map[Scheme][2]int{}
	for scanner.Scan() {
		words := strings.SplitN(scanner.Text(), " ", 4)
		if words[0] == "#" || len(words) < 3 {
			continue
		}
		if words[0] == "key" {
			if scheme, err = ParseScheme(words[1]); err != nil {
				t.Fatal(err)
			}
			if key, err = ParsePublicKey(unhex(t, words[2])); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data := slices.Concat([]byte{byte(len(scheme.algorithm()))}, scheme.algorithm(), unhex(t, strings.Trim(words[1], "-")))
		proof := &wire.Authentication{Method: wire.AuthDigitalSignature, Data: data}
		_, problem := VerifySignature(key, DefaultSchemes(), proof, unhex(t, strings.Trim(words[0], "-")))
		valid := words[2] == "valid"
		if (problem == nil) != valid {
			t.Errorf("%v, %s: %s, but %v", scheme, words[3], words[2], problem)
		}
		n := counts[scheme]
		n[map[bool]int{true: 1}[valid]]++
		counts[scheme] = n
	}
	if err := scanner.Err(); err != nil || len(counts) != 8 {
		t.Fatalf("%v, %v", err, counts)
	}
	for s, n := range counts {
		if n[0] < 5 || n[1] < 4 {
			t.Errorf("%v: %d flawed and %d sound vectors", s, n[0], n[1])
		}
	}
}

// signers are a key of each kind.
func signers() map[string]crypto.Signer {
	return map[string]crypto.Signer{
		"RSA": pki.RSA(2048, 0), "P-256": pki.ECDSA(elliptic.P256()), "P-384": pki.ECDSA(elliptic.P384()),
		"P-521": pki.ECDSA(elliptic.P521()), "Ed25519": pki.Ed25519(),
	}
}

func TestSignAndVerify(t *testing.T) {
	octets := []byte("what AUTH covers")
	all := append(DefaultSchemes(), RSASHA1)
	for name, key := range signers() {
		for _, s := range suits(key.Public(), all) {
			for _, c := range append(classicChoices(key, s), Choice{wire.AuthDigitalSignature, s}) {
				data, err := c.Sign(rand.Reader, key, octets)
				if err != nil {
					t.Fatalf("%s, %v: %v", name, c, err)
				}
				proof := &wire.Authentication{Method: c.Method, Data: data}
				if got, problem := VerifySignature(key.Public(), all, proof, octets); problem != nil || got != c {
					t.Errorf("%s, %v: %v, %v", name, c, got, problem)
				}
				refused(t, name+", "+c.String(), key, all, proof, octets)
				if _, p := VerifySignature(key.Public(), DefaultSchemes(), proof, octets); s == RSASHA1 && (p == nil || p.Reason != ReasonSignatureUnsupported) {
					t.Errorf("SHA-1 without opt-in: %v", p)
				}
			}
		}
	}
}

func classicChoices(key crypto.Signer, s Scheme) []Choice {
	var out []Choice
	for _, m := range classicMethods {
		if m.scheme == s && m.fits(key.Public()) {
			out = append(out, Choice{m.method, s})
		}
	}
	return out
}

// refused changes every octet of a proof, its length and what it covers.
func refused(t *testing.T, name string, key crypto.Signer, all []Scheme, proof *wire.Authentication, octets []byte) {
	t.Helper()
	check := func(what string, data, over []byte) {
		if _, problem := VerifySignature(key.Public(), all, &wire.Authentication{Method: proof.Method, Data: data}, over); problem == nil {
			t.Errorf("%s: accepted with %s", name, what)
		}
	}
	check("other octets", proof.Data, []byte("something else"))
	for _, n := range []int{0, 1, len(proof.Data) / 2, len(proof.Data) - 1} {
		check("the end cut off", proof.Data[:n], octets)
	}
	check("an octet more", append(slices.Clone(proof.Data), 0), octets)
	for i := 0; i < len(proof.Data); i += 1 + len(proof.Data)/20 {
		data := slices.Clone(proof.Data)
		data[i] ^= 0x10
		check("an octet changed", data, octets)
	}
}

// TestBadPublicKeys are keys that other implementations fell over:
// CVE-2026-14957 (exponent 0), CVE-2017-9022 (even modulus or exponent), and
// sizes beyond all bounds.
func TestBadPublicKeys(t *testing.T) {
	good, ok := pki.RSA(2048, 0).Public().(*rsa.PublicKey)
	if !ok {
		t.Fatal("no RSA key")
	}
	one := big.NewInt(1)
	for name, key := range map[string]crypto.PublicKey{
		"CVE-2026-14957 exponent 0":   &rsa.PublicKey{N: good.N, E: 0},
		"exponent 1":                  &rsa.PublicKey{N: good.N, E: 1},
		"CVE-2017-9022 even exponent": &rsa.PublicKey{N: good.N, E: 65536},
		"negative exponent":           &rsa.PublicKey{N: good.N, E: -3},
		"CVE-2017-9022 even modulus":  &rsa.PublicKey{N: new(big.Int).Sub(good.N, one), E: 65537},
		"no modulus":                  &rsa.PublicKey{E: 65537},
		"modulus 0":                   &rsa.PublicKey{N: new(big.Int), E: 65537},
		"1024 bits":                   &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(one, 1023), one), E: 65537},
		"16385 bits":                  &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(one, 16384), one), E: 65537},
		"P-224":                       pki.ECDSA(elliptic.P224()).Public(),
		"no curve":                    &ecdsa.PublicKey{},
		"a key of another kind":       "text",
		"nothing":                     nil,
	} {
		if _, err := kindOf(key); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := kindOf(good); err != nil {
		t.Error(err)
	}
	der, err := x509.MarshalPKIXPublicKey(pki.ECDSA(elliptic.P256()).Public())
	if err != nil {
		t.Fatal(err)
	}
	der[len(der)-1] ^= 1
	if _, err := ParsePublicKey(der); err == nil {
		t.Error("CVE-2026-35332: a point beside the curve is accepted")
	}
}

func TestChoose(t *testing.T) {
	rsaKey, p256, p384, p521, ed := pki.RSA(2048, 0), pki.ECDSA(elliptic.P256()), pki.ECDSA(elliptic.P384()), pki.ECDSA(elliptic.P521()), pki.Ed25519()
	sha2 := []HashAlgorithm{HashSHA256, HashSHA384, HashSHA512}
	for _, c := range []struct {
		name    string
		key     crypto.Signer
		allowed []Scheme
		peer    []HashAlgorithm
		want    string // empty: none
	}{
		{"PSS first", rsaKey, DefaultSchemes(), sha2, "RSASSA-PSS with SHA2-256"},
		{"the common hash", rsaKey, DefaultSchemes(), []HashAlgorithm{HashSHA512}, "RSASSA-PSS with SHA2-512"},
		{"as configured", rsaKey, []Scheme{RSASHA384, RSAPSSSHA256}, sha2, "RSA PKCS #1 v1.5 with SHA2-384"},
		{"the curve's hash", p384, DefaultSchemes(), sha2, "ECDSA with SHA2-384"},
		{"the curve's hash", p521, DefaultSchemes(), sha2, "ECDSA with SHA2-512"},
		{"another than the curve's hash", p521, DefaultSchemes(), []HashAlgorithm{HashSHA256}, "ECDSA with SHA2-256"},
		{"Ed25519", ed, DefaultSchemes(), []HashAlgorithm{HashIdentity}, "Ed25519"},
		{"Ed25519, not known to the peer", ed, DefaultSchemes(), sha2, ""},
		{"Ed25519 and an old peer", ed, DefaultSchemes(), nil, ""},
		{"ECDSA and an old peer", p256, DefaultSchemes(), nil, "ECDSA-256 signature (ECDSA with SHA2-256)"},
		{"ECDSA and an old peer", p384, DefaultSchemes(), nil, "ECDSA-384 signature (ECDSA with SHA2-384)"},
		{"ECDSA and an old peer", p521, DefaultSchemes(), nil, "ECDSA-521 signature (ECDSA with SHA2-512)"},
		{"ECDSA and an old peer, not allowed", p384, []Scheme{ECDSASHA256}, nil, ""},
		{"RSA and an old peer", rsaKey, DefaultSchemes(), nil, ""},
		{"RSA and an old peer, opted in", rsaKey, []Scheme{RSAPSSSHA256, RSASHA1}, nil, "RSA signature (RSA PKCS #1 v1.5 with SHA-1)"},
		{"SHA-1 by RFC 7427", rsaKey, DefaultSchemes(), []HashAlgorithm{HashSHA1}, ""},
		{"an empty list is no old peer", p256, DefaultSchemes(), []HashAlgorithm{}, ""},
	} {
		got, problem := choose(c.key.Public(), c.allowed, c.peer)
		switch {
		case c.want == "" && (problem == nil || problem.Reason != ReasonSignatureUnsupported || problem.Hint == ""):
			t.Errorf("%s: %v, %v", c.name, got, problem)
		case c.want != "" && (problem != nil || got.String() != c.want):
			t.Errorf("%s: %v, %v", c.name, got, problem)
		}
	}
}

// TestHashSignatures are the signatures of IKEv1.
func TestHashSignatures(t *testing.T) {
	hash := digest(crypto.SHA256, []byte("HASH_I"))
	for name, key := range signers() {
		if name == "Ed25519" {
			continue
		}
		sig, err := SignHash(rand.Reader, key, hash)
		if err != nil {
			t.Fatal(err)
		}
		if err := VerifyHash(key.Public(), hash, sig); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if VerifyHash(key.Public(), hash[:20], sig) == nil || VerifyHash(key.Public(), hash, sig[1:]) == nil || VerifyHash(key.Public(), hash, nil) == nil {
			t.Errorf("%s: another hash or part of a signature is accepted", name)
		}
	}
	if VerifyHash(pki.Ed25519().Public(), hash, make([]byte, 64)) == nil {
		t.Error("Ed25519 in IKEv1 is accepted")
	}
}

func TestHashAlgorithms(t *testing.T) {
	list := Hashes(DefaultSchemes())
	if got := AppendHashAlgorithms(nil, list); !bytes.Equal(got, unhex(t, "0002 0003 0004 0005")) {
		t.Errorf("%x", got)
	}
	if got, err := ParseHashAlgorithms(unhex(t, "0001 0002 0063")); err != nil || !slices.Equal(got, []HashAlgorithm{1, 2, 99}) || got[2].String() != "hash 99" {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range [][]byte{{1}, make([]byte, 2000)} {
		if got, err := ParseHashAlgorithms(bad); err == nil {
			t.Errorf("%d octets give %v", len(bad), got)
		}
	}
}

func FuzzParseHashAlgorithms(f *testing.F) {
	f.Add([]byte{0, 2, 0, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		if list, err := ParseHashAlgorithms(data); err == nil && !bytes.Equal(AppendHashAlgorithms(nil, list), data) {
			t.Errorf("%x gives %v", data, list)
		}
	})
}
