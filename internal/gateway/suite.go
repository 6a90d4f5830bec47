package gateway

import (
	"fmt"

	"causeway/esp"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// espCiphers and espIntegrity map what IKE negotiated to what ESP does.
var (
	espCiphers = map[uint16]esp.Cipher{
		transform.AESGCM16:         esp.AESGCM16,
		transform.AESGCM12:         esp.AESGCM12,
		transform.AESGCM8:          esp.AESGCM8,
		transform.AESCCM16:         esp.AESCCM16,
		transform.AESCCM12:         esp.AESCCM12,
		transform.AESCCM8:          esp.AESCCM8,
		transform.ChaCha20Poly1305: esp.ChaCha20Poly1305,
		transform.AESCBC:           esp.AESCBC,
		transform.AESGMAC:          esp.AESGMAC,
		transform.Null:             esp.Null,
		transform.TripleDES:        esp.TripleDES,
	}
	espIntegrity = map[uint16]esp.Integrity{
		transform.IntegrityNone: esp.IntegrityNone,
		transform.HMACSHA1_96:   esp.HMACSHA1_96,
		transform.HMACSHA256128: esp.HMACSHA256_128,
		transform.HMACSHA384192: esp.HMACSHA384_192,
		transform.HMACSHA512256: esp.HMACSHA512_256,
	}
)

// inboundParameters and outboundParameters are the two directions of c.
func inboundParameters(c *sa.Child, replayWindow int) (esp.Parameters, error) {
	p, err := parameters(c)
	p.SPI, p.ReplayWindow = c.SPIIn, replayWindow
	p.EncryptionKey, p.IntegrityKey = c.EncryptionIn.Bytes(), c.IntegrityIn.Bytes()
	return p, err
}

func outboundParameters(c *sa.Child) (esp.Parameters, error) {
	p, err := parameters(c)
	p.SPI, p.NoTFC = c.SPIOut, c.NoTFC
	p.EncryptionKey, p.IntegrityKey = c.EncryptionOut.Bytes(), c.IntegrityOut.Bytes()
	return p, err
}

func parameters(c *sa.Child) (esp.Parameters, error) {
	cipher, ok := espCiphers[c.Suite.Encryption.ID]
	integrity, known := espIntegrity[c.Suite.Integrity.ID]
	if !ok || !known {
		return esp.Parameters{}, fmt.Errorf("gateway: the data path has no ESP suite %v", c.Suite)
	}
	return esp.Parameters{
		Cipher: cipher, Integrity: integrity, ESN: c.Suite.ESN,
		Limits: esp.Limits{
			SoftBytes: c.Soft.Bytes, HardBytes: c.Hard.Bytes,
			SoftPackets: c.Soft.Packets, HardPackets: c.Hard.Packets,
		},
	}, nil
}
