package esp

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"

	"causeway/esp/tripledes"
)

// keyLens are the shortest keys that the algorithms take, with the salt. How
// long a key is changes no packet's size.
func keyLens(cipher Cipher, integrity Integrity) (encryption, mac int) {
	switch cipher {
	case AESGCM16, AESGCM12, AESGCM8, AESGMAC:
		encryption = 16 + gcmSaltLen
	case AESCCM16, AESCCM12, AESCCM8:
		encryption = 16 + ccmSaltLen
	case ChaCha20Poly1305:
		encryption = 32 + chachaSaltLen
	case AESCBC:
		encryption = 16
	case TripleDES:
		encryption = tripledes.KeyLen
	}
	switch integrity {
	case HMACSHA1_96:
		mac = sha1.Size
	case HMACSHA256_128:
		mac = sha256.Size
	case HMACSHA384_192:
		mac = sha512.Size384
	case HMACSHA512_256:
		mac = sha512.Size
	}
	return encryption, mac
}

// MaxPayload is Outbound.MaxPayload of an SA that does not exist yet.
func MaxPayload(cipher Cipher, integrity Integrity, espLen int) (int, error) {
	encryption, mac := keyLens(cipher, integrity)
	p := Parameters{
		SPI: 256, Cipher: cipher, Integrity: integrity,
		EncryptionKey: make([]byte, encryption), IntegrityKey: make([]byte, mac),
	}
	for i := range p.EncryptionKey {
		p.EncryptionKey[i] = byte(i) // 3DES refuses keys that repeat
	}
	t, err := p.newTransform()
	if err != nil {
		return 0, fmt.Errorf("esp: no size of %v-%v: %w", cipher, integrity, err)
	}
	return t.shape().maxPayload(espLen), nil
}
