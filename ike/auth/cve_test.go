package auth

import (
	"crypto"
	"crypto/rsa"
	"math/big"
	"slices"
	"testing"

	"causeway/ike/wire"
	"causeway/test/pki"
)

// Each class of what others' readers of signatures and keys were advised of has a
// test here by its name; TestBadPublicKeys and TestStrictAlgorithms have the cases around them.

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, ok := pki.RSA(2048, 0).(*rsa.PrivateKey)
	if !ok {
		t.Fatal("no RSA key")
	}
	return key
}

// refuses has both kinds of proof refuse the signature: RFC 7427's and IKEv1's.
func refuses(t *testing.T, key *rsa.PublicKey, what string, sig []byte) {
	t.Helper()
	for _, s := range []Scheme{RSASHA256, RSAPSSSHA256} {
		proof := &wire.Authentication{Method: wire.AuthDigitalSignature, Data: slices.Concat([]byte{byte(len(s.algorithm()))}, s.algorithm(), sig)}
		if _, p := VerifySignature(key, DefaultSchemes(), proof, []byte("x")); p == nil {
			t.Errorf("%s is taken for a signature by %v", what, s)
		}
	}
	if err := VerifyHash(key, digest(crypto.SHA256, []byte("x")), sig); err == nil {
		t.Errorf("%s is taken for a signature of a hash", what)
	}
}

// CVE-2017-11185 of strongSwan: a signature as large as the modulus is 0 to gmp.
func TestCVE_2017_11185_SignatureAsLargeAsTheModulus(t *testing.T) {
	key := rsaKey(t)
	refuses(t, &key.PublicKey, "the modulus", key.N.FillBytes(make([]byte, 256)))
	refuses(t, &key.PublicKey, "the modulus and 1", new(big.Int).Add(key.N, big.NewInt(1)).FillBytes(make([]byte, 256)))
}

// digestInfo begins what a true signature of x by RSA and SHA-256 is: RFC 8017 §9.2,
// with so much padding and the parameters given.
func digestInfo(t *testing.T, algorithm string) []byte {
	t.Helper()
	return slices.Concat(unhex(t, "0001ffffffffffffffff00"), unhex(t, algorithm), digest(crypto.SHA256, []byte("x")))
}

// CVE-2018-16151 of strongSwan: what follows the digest was not looked at.
func TestCVE_2018_16151_GarbageBehindTheDigest(t *testing.T) {
	key := rsaKey(t)
	refuses(t, &rsa.PublicKey{N: key.N, E: 3}, "garbage behind the digest", pki.Forgery(digestInfo(t, "3031300d060960864801650304020105000420"), 256))
}

// CVE-2018-16152 of strongSwan: nor was what stands as the parameters of the
// algorithm, where a forgery has room as well.
func TestCVE_2018_16152_GarbageAsParameters(t *testing.T) {
	key := rsaKey(t)
	refuses(t, &rsa.PublicKey{N: key.N, E: 3}, "garbage as parameters", pki.Forgery(unhex(t, "0001ffffffffffffffff00 3081b1 30818c 0609608648016503040201 047f"), 256))
}

// CVE-2018-17540 of strongSwan: the mend of those read behind the end of a modulus
// that is too short for a digest.
func TestCVE_2018_17540_TinyModulus(t *testing.T) {
	for _, bits := range []uint{8, 64, 256, 416} {
		tiny := &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), bits-1), big.NewInt(1)), E: 3}
		for _, size := range []uint{0, 1, bits / 8, 256} {
			refuses(t, tiny, "what a tiny modulus makes", make([]byte, size))
		}
	}
}

// CVE-2017-9022 of strongSwan: gmp ends the program for an even modulus or exponent.
func TestCVE_2017_9022_EvenModulus(t *testing.T) {
	key := rsaKey(t)
	for name, even := range map[string]*rsa.PublicKey{
		"modulus":  {N: new(big.Int).Sub(key.N, big.NewInt(1)), E: 65537},
		"exponent": {N: key.N, E: 65536},
	} {
		if _, err := kindOf(even); err == nil {
			t.Errorf("an even %s is accepted", name)
		}
		refuses(t, even, "what an even "+name+" makes", make([]byte, 256))
	}
}

// pssAlgorithm is RSASSA-PSS with these parameters (RFC 4055 §3.1).
func pssAlgorithm(t *testing.T, parameters string) []byte {
	t.Helper()
	p := unhex(t, parameters)
	inner := slices.Concat(unhex(t, "0609 2a864886f70d01010a 30"), []byte{byte(len(p))}, p)
	return append([]byte{0x30, byte(len(inner))}, inner...)
}

const (
	pssHash = "a00f 300d 0609 608648016503040201 0500"
	pssMask = "a11c 301a 0609 2a864886f70d010108 300d 0609 608648016503040201 0500"
)

// CVE-2018-6459 of strongSwan: a mask function without parameters was read from
// nowhere.
func TestCVE_2018_6459_NoMaskParameters(t *testing.T) {
	if _, err := ParseAlgorithm(pssAlgorithm(t, pssHash+"a10d 300b 0609 2a864886f70d010108"+"a203 020120")); err == nil {
		t.Error("a mask function without a hash is accepted")
	}
}

// CVE-2021-41990 of strongSwan: a salt's length was added to others.
func TestCVE_2021_41990_HugeSalt(t *testing.T) {
	for _, salt := range []string{"a206 02047fffffff", "a20a 02087fffffffffffffff", "a20b 0209010000000000000000"} {
		if _, err := ParseAlgorithm(pssAlgorithm(t, pssHash+pssMask+salt)); err == nil {
			t.Errorf("the salt %s is accepted", salt)
		}
	}
}

// CVE-2015-7575 (SLOTH): what two transcripts with one hash can be found for proves
// nothing. MD5 is not here, and SHA-1 only where it is asked for, and announced then.
func TestCVE_2015_7575_NoMD5AndNoSHA1(t *testing.T) {
	for _, s := range DefaultSchemes() {
		if s.hash == HashSHA1 {
			t.Errorf("%v is accepted by default", s)
		}
	}
	if slices.Contains(Hashes(DefaultSchemes()), HashSHA1) {
		t.Error("SHA-1 is announced by default")
	}
	for name, algorithm := range map[string]string{
		"RSA with MD2": "300d 0609 2a864886f70d010102 0500", "RSA with MD5": "300d 0609 2a864886f70d010104 0500",
	} {
		if s, err := ParseAlgorithm(unhex(t, algorithm)); err == nil {
			t.Errorf("%s is taken for %v", name, s)
		}
	}
	key := rsaKey(t)
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA1, digest(crypto.SHA1, []byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	sha1 := unhex(t, "300d 0609 2a864886f70d010105 0500")
	for _, proof := range []*wire.Authentication{
		{Method: wire.AuthDigitalSignature, Data: slices.Concat([]byte{byte(len(sha1))}, sha1, sig)}, {Method: wire.AuthRSASignature, Data: sig},
	} {
		if _, p := VerifySignature(&key.PublicKey, DefaultSchemes(), proof, []byte("x")); p == nil {
			t.Errorf("a signature with SHA-1 by method %v is accepted by default", proof.Method)
		}
	}
}
