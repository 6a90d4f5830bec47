package wire_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"causeway/ike/wire"
)

// A liveness check: an INFORMATIONAL request with nothing inside, sealed and opened. The AEAD stands for the protector
// of an IKE SA; its associated data is everything before the IV, as it is sent and as it was received.
func ExampleAppendEncrypted() {
	block, _ := aes.NewCipher(make([]byte, 16))
	aead, _ := cipher.NewGCM(block)
	const ivLen = 8
	nonce := make([]byte, aead.NonceSize())

	var inside []wire.Payload
	plaintext, err := wire.AppendPayloads(nil, inside)
	if err != nil {
		fmt.Println(err)
		return
	}
	plaintext = append(plaintext, 0) // no padding, and its length

	header := wire.Header{
		InitiatorSPI: 0xaa, ResponderSPI: 0xbb,
		Exchange: wire.ExchangeInformational, Flags: wire.FlagInitiator, MessageID: 2,
	}
	sealedLen := ivLen + len(plaintext) + aead.Overhead()
	message, err := wire.AppendEncrypted(nil, header, wire.FirstType(inside), sealedLen)
	if err != nil {
		fmt.Println(err)
		return
	}
	covered := bytes.Clone(message)
	message = append(message, nonce[:ivLen]...)
	message = aead.Seal(message, nonce, plaintext, covered)

	received, err := wire.ParseMessage(message)
	if err != nil {
		fmt.Println(err)
		return
	}
	sk, _ := received.Encrypted()
	opened, err := aead.Open(nil, nonce, sk.Body[ivLen:], message[:sk.Offset])
	if err != nil {
		fmt.Println(err)
		return
	}
	content, err := wire.ParsePayloads(sk.First, opened[:len(opened)-1])
	fmt.Println(received.Header, received.Summary(), len(content), err)
	// Output: INFORMATIONAL request 2 spi 00000000000000aa/00000000000000bb SK 0 <nil>
}
