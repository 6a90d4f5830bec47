package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"causeway/test/pki"
)

func TestParsePrivateKey(t *testing.T) {
	ec, ok := pki.ECDSA(elliptic.P256()).(*ecdsa.PrivateKey)
	r, ok2 := pki.RSA(2048, 0).(*rsa.PrivateKey)
	if !ok || !ok2 {
		t.Fatal("keys of another type")
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind + "PRIVATE" + " KEY", Bytes: der})
	}
	root := pki.Root("Root", ec)
	for name, c := range map[string]struct {
		text []byte
		key  crypto.Signer
	}{
		"PKCS #8, RSA":        {pki.KeyPEM(r), r},
		"PKCS #8, ECDSA":      {pki.KeyPEM(ec), ec},
		"PKCS #1":             {block("RSA ", x509.MarshalPKCS1PrivateKey(r)), r},
		"SEC 1":               {block("EC ", sec1), ec},
		"behind certificates": {slices.Concat(pki.PEM(root.Certificate), pki.KeyPEM(ec)), ec},
	} {
		if got, err := ParsePrivateKey(c.text); err != nil || !samePublicKey(got.Public(), c.key.Public()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string][]byte{
		"is encrypted":    block("ENCRYPTED ", []byte{1}),
		"malformed":       block("", []byte("secret key material")),
		"not supported":   block("OPENSSH ", []byte{1}),
		"no private key":  pki.PEM(root.Certificate),
		"no private key ": nil,
		"curve P-224":     pki.KeyPEM(pki.ECDSA(elliptic.P224())),
	} {
		_, err := ParsePrivateKey(text)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(name)) || strings.Contains(err.Error(), "material") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParsePublicKeyFile(t *testing.T) {
	key := pki.Ed25519()
	for name, text := range map[string][]byte{"a public key": pki.PublicPEM(key.Public()), "a certificate": pki.PEM(pki.Root("Root", key).Certificate)} {
		if got, err := ParsePublicKeyFile(text); err != nil || !samePublicKey(got, key.Public()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := ParsePublicKeyFile(pki.KeyPEM(key)); err == nil {
		t.Errorf("a private key is taken as %v", got)
	}
}

func FuzzParsePrivateKey(f *testing.F) {
	key := pki.ECDSA(elliptic.P256())
	f.Add(pki.KeyPEM(key))
	f.Add(pki.PublicPEM(key.Public()))
	f.Fuzz(func(t *testing.T, text []byte) {
		if k, err := ParsePrivateKey(text); err == nil {
			if _, err := NewCredentials(k, nil, nil); err != nil {
				t.Error(err)
			}
		}
		if k, err := ParsePublicKeyFile(text); err == nil {
			if _, err := NewTrust(nil, []crypto.PublicKey{k}, nil); err != nil {
				t.Error(err)
			}
		}
	})
}
