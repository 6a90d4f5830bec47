package auth

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"

	"causeway/ike/wire"
	"causeway/test/pki"
)

// What broke others in a certificate, in the key that it holds, or in what stands in
// its place.

// CVE-2026-35334 of strongSwan: numbers at the edges of the modulus, in a signature
// and in a private key, ended the program in gmp.
func TestCVE_2026_35334_NumbersAtTheEdge(t *testing.T) {
	key := rsaKey(t)
	one := big.NewInt(1)
	for what, n := range map[string]*big.Int{
		"zero": new(big.Int), "one": one, "the modulus less one": new(big.Int).Sub(key.N, one), "the modulus": key.N,
		"all ones": new(big.Int).Sub(new(big.Int).Lsh(one, 2048), one), "the first prime": key.Primes[0], "a multiple of it": new(big.Int).Lsh(key.Primes[0], 1000),
	} {
		refuses(t, &key.PublicKey, what, n.FillBytes(make([]byte, 256)))
		refuses(t, &key.PublicKey, what+", short", n.Bytes())
		refuses(t, &key.PublicKey, what+", long", n.FillBytes(make([]byte, 257)))
	}
	type private struct {
		Version                   int
		N, E, D, P, Q, Dp, Dq, Qi *big.Int
	}
	sound := private{0, key.N, big.NewInt(65537), key.D, key.Primes[0], key.Primes[1], key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv}
	read := func(k private) error {
		der, err := asn1.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE" + " KEY", Bytes: der}))
		return err
	}
	if err := read(sound); err != nil {
		t.Fatalf("a sound key: %v", err)
	}
	for name, change := range map[string]func(k *private, n *big.Int){
		"N": func(k *private, n *big.Int) { k.N = n }, "E": func(k *private, n *big.Int) { k.E = n }, "D": func(k *private, n *big.Int) { k.D = n },
		"P": func(k *private, n *big.Int) { k.P = n }, "Q": func(k *private, n *big.Int) { k.Q = n },
	} {
		for _, n := range []*big.Int{new(big.Int), one, big.NewInt(-1), big.NewInt(2), new(big.Int).Neg(key.N), new(big.Int).Lsh(key.N, 1)} {
			k := sound
			if change(&k, n); read(k) == nil {
				t.Errorf("a private key whose %s is %v is taken", name, n)
			}
		}
	}
}

// CVE-2026-50722 of libreswan: what names the hash in a signature of PKCS #1 v1.5 was
// not looked at, so that others' lengths and names passed (RFC 8017 §8.2.2).
func TestCVE_2026_50722_AnotherDigestInfo(t *testing.T) {
	key := rsaKey(t)
	hash := digest(crypto.SHA256, []byte("x"))
	sign := func(info []byte) []byte {
		em := slices.Concat([]byte{0, 1}, bytes.Repeat([]byte{255}, 256-3-len(info)), []byte{0}, info)
		return new(big.Int).Exp(new(big.Int).SetBytes(em), key.D, key.N).FillBytes(make([]byte, 256))
	}
	proof := func(sig []byte) *wire.Authentication {
		a := RSASHA256.algorithm()
		return &wire.Authentication{Method: wire.AuthDigitalSignature, Data: slices.Concat([]byte{byte(len(a))}, a, sig)}
	}
	if _, p := VerifySignature(&key.PublicKey, DefaultSchemes(), proof(sign(append(unhex(t, "3031300d060960864801650304020105000420"), hash...))), []byte("x")); p != nil {
		t.Fatalf("a true signature: %v", p)
	}
	for what, info := range map[string]string{
		"SHA-1":                  "3031300d060960864801650304020105000414",
		"the name of SHA2-512":   "3031300d060960864801650304020305000420",
		"no name":                "30220420",
		"no parameters":          "302f300b06096086480165030402010420",
		"a hash of 31 octets":    "3030300d06096086480165030402010500041f",
		"a length of two octets": "308131300d060960864801650304020105000420",
		"an indefinite length":   "3080300d060960864801650304020105000420",
		"another type":           "3031300d060960864801650304020105000320",
		"the hash alone":         "",
	} {
		for _, rest := range [][]byte{hash, hash[:31], hash[:20], nil, append(slices.Clone(hash), 0)} {
			if sig := sign(append(unhex(t, info), rest...)); len(info)+len(rest) > 0 {
				if _, p := VerifySignature(&key.PublicKey, DefaultSchemes(), proof(sig), []byte("x")); p == nil {
					t.Errorf("%s before %d octets is taken for a signature", what, len(rest))
				}
			}
		}
	}
	refuses(t, &rsa.PublicKey{N: key.N, E: 3}, "a DigestInfo without an end", pki.Forgery(unhex(t, "0001ffffffffffffffff00 3080300d060960864801650304020105000420"), 256))
}

// CVE-2026-35329 of strongSwan: encrypted PKCS #7 ended the program. Of what a CERT
// payload may hold (RFC 7296 §3.6) only four encodings are read; the others count as
// nothing, whatever is in them, and as a certificate none of them does.
func TestCVE_2026_35329_EncryptedPKCS7(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	_, proof := prove(t, root.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names("b.example")))
	tr := trust(t, root)
	enveloped := unhex(t, "3080 0609 2a864886f70d010703 a080 3080 020100 3180 0000 3080 0609 2a864886f70d010701 0000 0000 0000 0000")
	encrypted := unhex(t, "302a 0609 2a864886f70d010706 a01d 301b 020100 3016 0609 2a864886f70d010701 3009 0605 2b0e030207 0500")
	for encoding := range 256 {
		for _, data := range [][]byte{enveloped, encrypted, {0x30, 0x80}, {0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, bytes.Repeat([]byte{0x30, 0x80}, 8000), nil} {
			shown := []*wire.Certificate{{Encoding: wire.CertEncoding(encoding), Data: data}}
			if _, p := tr.Verify(noon, shown, identity(t, "b.example"), proof, octets); p == nil || p.Message == "" {
				t.Errorf("encoding %d with %d octets: %v", encoding, len(data), p)
			}
		}
	}
}

// CVE-2021-41991 of strongSwan: the signature's algorithm stands in a certificate
// twice, and who changed the outer one had as many certificates of one as he liked,
// each of them kept. One certificate has one form here, and none of a peer's is kept;
// for what is, see TestCVE_2021_41991 of ike/auth/online.
func TestCVE_2021_41991_VariantsOfACertificate(t *testing.T) {
	root := pki.Root("Root", pki.RSA(2048, 0))
	var c struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(root.Issue("b", pki.RSA(2048, 1), pki.Names("b.example")).Certificate.Raw, &c); err != nil {
		t.Fatal(err)
	}
	sound := c.Algorithm
	for name, a := range map[string]pkix.AlgorithmIdentifier{
		"none": sound, "an octet string": {Algorithm: sound.Algorithm, Parameters: asn1.RawValue{Tag: asn1.TagOctetString, Bytes: []byte("1")}},
		"a long one": {Algorithm: sound.Algorithm, Parameters: asn1.RawValue{Tag: asn1.TagOctetString, Bytes: make([]byte, 4000)}},
		"no NULL":    {Algorithm: sound.Algorithm}, "another algorithm": {Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, Parameters: asn1.NullRawValue},
	} {
		c.Algorithm = a
		der, err := asn1.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseCertificate(der); (err == nil) != (name == "none") {
			t.Errorf("change of the outer algorithm, %s: %v", name, err)
		}
	}
}

// CVE-2017-9023 of strongSwan: a CHOICE of ASN.1 that nothing fits was read for ever.
// General names are a CHOICE (RFC 5280 §4.2.1.6), and constraints and addresses of
// servers hold them.
func TestCVE_2017_9023_ChoiceOfNothing(t *testing.T) {
	key := pki.ECDSA(elliptic.P256())
	root := pki.Root("Root", key)
	tr := trust(t, root)
	for _, oid := range []asn1.ObjectIdentifier{{2, 5, 29, 17}, {2, 5, 29, 18}, {2, 5, 29, 30}, {2, 5, 29, 31}, {1, 3, 6, 1, 5, 5, 7, 1, 1}, {2, 5, 29, 32}, {2, 5, 29, 35}} {
		for _, value := range []string{
			"3000", "3002 9f00", "3002 8900", "3003 bf8100", "3004 a002 a000", "3006 a004 3002 a900", "3004 3002 a900", "3008 3006 a004 a002 a900",
			"3080 0000", "3002 8480", "a000", "0500", "3002 0500", "3004 a402 3000", "3006 a404 3002 3100",
		} {
			odd := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: pki.NotBefore, NotAfter: pki.NotAfter,
				ExtraExtensions: []pkix.Extension{{Id: oid, Value: unhex(t, value)}}}
			der, err := x509.CreateCertificate(rand.Reader, odd, root.Certificate, key.Public(), root.Key)
			if err != nil {
				t.Fatal(err)
			}
			shown := []*wire.Certificate{{Encoding: wire.CertX509Signature, Data: der}}
			if _, p := tr.Verify(noon, shown, identity(t, "b.example"), &wire.Authentication{Method: wire.AuthDigitalSignature}, octets); p == nil {
				t.Errorf("extension %v as %s: a certificate without the name stands for it", oid, value)
			}
		}
	}
	for _, deep := range []string{"30", "a0", "31", "24"} {
		der := bytes.Repeat(append(unhex(t, deep), 0x80), maxCertificate/2)
		if _, err := ParseCertificate(der); err == nil {
			t.Errorf("%d levels of %s are taken for a certificate", maxCertificate/2, deep)
		}
	}
}
