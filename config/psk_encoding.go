package config

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// decodePSK is the octets that a pre-shared key stands for (RFC 7296 §2.15). Errors do
// not tell the key.
func decodePSK(written Secret, how PSKEncoding) (Secret, error) {
	var octets []byte
	var err error
	switch how {
	case PSKHex:
		if octets, err = hex.DecodeString(strings.TrimPrefix(written.text, "0x")); err != nil {
			err = errors.New("is not hexadecimal, as psk_encoding says: an even number of the digits 0 to 9 and a to f is allowed, with 0x before them or not")
		}
	case PSKBase64:
		if octets, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(written.text, "0s")); err != nil {
			err = errors.New("is not Base64, as psk_encoding says: letters, digits, + and /, and = to a multiple of 4 are allowed, with 0s before them or not")
		}
	default:
		return written, nil
	}
	if err == nil && len(octets) == 0 {
		err = errors.New("is empty once it is decoded: it must hold the pre-shared key")
	}
	return NewSecret(string(octets)), err
}

// oneRuneEach is text that has a rune for each octet.
func oneRuneEach(octets string) string {
	runes := make([]rune, len(octets))
	for i := range runes {
		runes[i] = rune(octets[i])
	}
	return string(runes)
}
