package auth

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// ParsePrivateKey reads the first private key of a PEM file: PKCS #8, PKCS #1 or
// SEC 1, not encrypted.
func ParsePrivateKey(text []byte) (crypto.Signer, error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, errors.New("auth: no private key in PEM (-----BEGIN ... KEY-----)")
		}
		if !strings.HasSuffix(block.Type, "PRIVATE"+" KEY") {
			continue
		}
		if strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
			return nil, errors.New("auth: the private key is encrypted: decrypt it with openssl pkey, and let nobody else read the file")
		}
		return parsePrivateKey(block)
	}
}

func parsePrivateKey(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch strings.TrimSuffix(block.Type, "PRIVATE"+" KEY") {
	case "":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA ":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC ":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("auth: a key of the form %q is not supported: convert it to PKCS #8", clip(block.Type))
	}
	if err != nil {
		return nil, errors.New("auth: malformed private key") // its content stays out of the message
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("auth: keys of type %T do not sign", key)
	}
	if _, err := kindOf(signer.Public()); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	return signer, nil
}

// ParsePublicKeyFile reads the first public key of a PEM file: a PUBLIC KEY, or
// that of a CERTIFICATE, of which nothing else counts.
func ParsePublicKeyFile(text []byte) (crypto.PublicKey, error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, errors.New("auth: no public key in PEM (-----BEGIN PUBLIC KEY----- or a certificate)")
		}
		switch block.Type {
		case "PUBLIC KEY":
			return ParsePublicKey(block.Bytes)
		case "CERTIFICATE":
			c, err := ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			return c.PublicKey, nil
		}
	}
}
