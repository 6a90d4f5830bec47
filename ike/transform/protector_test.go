package transform

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

var protectorSuites = []string{
	"aes128gcm16-prfsha256-ecp256", "aes192gcm16-prfsha256-ecp256", "aes256gcm16-prfsha256-ecp256",
	"aes128-sha1-ecp256", "aes192-sha256-ecp256", "aes256-sha256-ecp256", "aes256-sha384-ecp256", "aes256-sha512-ecp256",
	"aes128gcm12-prfsha256-ecp256", "aes256gcm8-prfsha256-ecp256",
	"aes128ccm16-prfsha256-ecp256", "aes192ccm12-prfsha256-ecp256", "aes256ccm8-prfsha256-ecp256",
	"chacha20poly1305-prfsha256-ecp256", "3des-sha1-modp1024", "3des-sha256-ecp256",
}

// suiteOf is the suite that a proposal of one transform a type stands for.
func suiteOf(t testing.TB, proto Protocol, text string) Suite {
	t.Helper()
	p := must(t, proto, text)
	s, _, err := Match(proto, []Proposal{p}, []Proposal{p})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func octets(n int, from byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func protector(t testing.TB, text string) *Protector {
	t.Helper()
	s := suiteOf(t, IKE, text)
	p, err := NewProtector(s, octets(s.EncryptionKeyLen(), 1), octets(s.IntegrityKeyLen(), 100))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProtectorRoundTrip(t *testing.T) {
	prefix := octets(32, 7)
	for _, text := range protectorSuites {
		p, random := protector(t, text), seeded(1)
		for n := range 70 {
			plain := octets(n, 50)
			message, err := p.Seal(bytes.Clone(prefix), prefix, plain, random)
			if err != nil {
				t.Fatal(err)
			}
			if len(message) != len(prefix)+n+p.Overhead(n) || !bytes.HasPrefix(message, prefix) {
				t.Fatalf("%s: %d octets for a plaintext of %d, overhead %d", text, len(message), n, p.Overhead(n))
			}
			before := bytes.Clone(message)
			got, err := p.Open(message, len(prefix))
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%s: %d octets: %x, %v", text, n, got, err)
			}
			if !bytes.Equal(before, message) {
				t.Fatalf("%s: Open changed the message", text)
			}
		}
	}
}

// TestOverhead has the octets beside the padding: IV, pad length and ICV. The
// padding is the least that fills a block (RFC 7296 §3.14); an AEAD has none.
func TestOverhead(t *testing.T) {
	for text, fixed := range map[string]int{
		"aes128gcm16-prfsha256-ecp256": 8 + 1 + 16, "aes256gcm16-prfsha256-ecp256": 8 + 1 + 16,
		"aes128gcm12-prfsha256-ecp256": 8 + 1 + 12, "aes256ccm8-prfsha256-ecp256": 8 + 1 + 8,
		"aes128ccm16-prfsha256-ecp256": 8 + 1 + 16, "chacha20poly1305-prfsha256-ecp256": 8 + 1 + 16,
		"aes128-sha1-ecp256": 16 + 1 + 12, "aes256-sha256-ecp256": 16 + 1 + 16,
		"aes256-sha384-ecp256": 16 + 1 + 24, "aes256-sha512-ecp256": 16 + 1 + 32,
	} {
		p := protector(t, text)
		for n := range 50 {
			want := fixed
			if !suiteOf(t, IKE, text).AEAD() {
				want += 15 - n%16
			}
			if got := p.Overhead(n); got != want {
				t.Errorf("%s: %d octets over a plaintext of %d, want %d", text, got, n, want)
			}
		}
	}
}

// TestSealMayAppendToThePrefix is how messages are laid out: one buffer.
func TestSealMayAppendToThePrefix(t *testing.T) {
	for _, text := range protectorSuites {
		buffer := append(make([]byte, 0, 500), octets(32, 7)...)
		message, err := protector(t, text).Seal(buffer, buffer, []byte("plaintext"), seeded(1))
		if err != nil || &message[0] != &buffer[0] {
			t.Fatalf("%s: not in place: %v", text, err)
		}
		if got, err := protector(t, text).Open(message, 32); err != nil || string(got) != "plaintext" {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

// TestProtectorRefusesEveryChange flips every bit and cuts every prefix.
func TestProtectorRefusesEveryChange(t *testing.T) {
	for _, text := range protectorSuites {
		p := protector(t, text)
		prefix := octets(32, 7)
		message, err := p.Seal(bytes.Clone(prefix), prefix, octets(20, 50), seeded(1))
		if err != nil {
			t.Fatal(err)
		}
		for bit := range len(message) * 8 {
			bad := bytes.Clone(message)
			bad[bit/8] ^= 1 << (bit % 8)
			if got, err := p.Open(bad, len(prefix)); !errors.Is(err, ErrAuthentication) || got != nil {
				t.Fatalf("%s: bit %d: %x, %v", text, bit, got, err)
			}
		}
		for n := range message {
			if got, err := p.Open(message[:n], min(n, len(prefix))); err == nil || got != nil {
				t.Fatalf("%s: %d octets were opened", text, n)
			}
		}
		for _, offset := range []int{-1, len(message) + 1, len(prefix) - 1} {
			if _, err := p.Open(message, offset); err == nil {
				t.Errorf("%s: offset %d was accepted", text, offset)
			}
		}
	}
}

// TestGCMLayout takes a message apart with crypto/cipher alone: RFC 5282 §3
// and §4, nonce salt | IV, associated data up to the IV.
func TestGCMLayout(t *testing.T) {
	p, prefix := protector(t, "aes256gcm16-prfsha256-ecp256"), octets(36, 9)
	key := octets(36, 1)
	block, _ := aes.NewCipher(key[:32])
	aead, _ := cipher.NewGCM(block)
	var first uint64
	for i := range uint64(3) {
		body, err := p.Seal(nil, prefix, []byte("inner payloads"), seeded(1))
		if err != nil {
			t.Fatal(err)
		}
		iv := body[:8]
		if i == 0 {
			first = binary.BigEndian.Uint64(iv)
			want := make([]byte, 8)
			_, _ = io.ReadFull(seeded(1), want)
			if !bytes.Equal(iv, want) {
				t.Error("the counter does not start where the random source says")
			}
		}
		if got := binary.BigEndian.Uint64(iv); got != first+i {
			t.Errorf("IV %d is %x, not %x", i, got, first+i)
		}
		plain, err := aead.Open(nil, append(bytes.Clone(key[32:]), iv...), body[8:], prefix)
		if err != nil || string(plain) != "inner payloads\x00" {
			t.Errorf("%q, %v", plain, err)
		}
	}
}

// TestGCMCounterWraps: the counter may start at its end.
func TestGCMCounterWraps(t *testing.T) {
	p := protector(t, "aes256gcm16-prfsha256-ecp256")
	for _, want := range []uint64{1<<64 - 1, 0, 1} {
		body, err := p.Seal(nil, nil, []byte("x"), constant(0xff))
		if err != nil || binary.BigEndian.Uint64(body) != want {
			t.Errorf("IV %x, want %x, %v", body[:8], want, err)
		}
	}
}

// TestCBCLayout takes a message apart by hand: RFC 7296 §3.14.
func TestCBCLayout(t *testing.T) {
	p, prefix := protector(t, "aes256-sha256-ecp256"), octets(32, 9)
	body, err := p.Seal(nil, prefix, octets(20, 50), seeded(2))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, octets(32, 100))
	mac.Write(prefix)
	mac.Write(body[:len(body)-16])
	if !bytes.Equal(mac.Sum(nil)[:16], body[len(body)-16:]) {
		t.Error("the checksum is not over everything before it")
	}
	iv := make([]byte, 16)
	_, _ = io.ReadFull(seeded(2), iv)
	if !bytes.Equal(iv, body[:16]) {
		t.Error("the IV is not what the random source gave")
	}
	block, _ := aes.NewCipher(octets(32, 1))
	text := bytes.Clone(body[16 : len(body)-16])
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(text, text)
	if want := append(octets(20, 50), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11); !bytes.Equal(text, want) {
		t.Errorf("the padded plaintext is %x", text)
	}
}

// sealRaw makes an authentic CBC message with the padding of another sender.
func sealRaw(padded []byte) []byte {
	block, _ := aes.NewCipher(octets(32, 1))
	body := append(make([]byte, 16), padded...)
	cipher.NewCBCEncrypter(block, body[:16]).CryptBlocks(body[16:], padded)
	mac := hmac.New(sha256.New, octets(32, 100))
	mac.Write(body)
	return append(body, mac.Sum(nil)[:16]...)
}

func TestPadding(t *testing.T) {
	p := protector(t, "aes256-sha256-ecp256")
	random := bytes.Repeat([]byte{0xa5}, 31)
	for pad, want := range map[byte]int{0: 31, 15: 16, 31: 0} {
		got, err := p.Open(sealRaw(append(bytes.Clone(random), pad)), 0)
		if err != nil || len(got) != want {
			t.Errorf("pad length %d: %d octets, %v", pad, len(got), err)
		}
	}
	for _, pad := range []byte{32, 255} {
		if _, err := p.Open(sealRaw(append(bytes.Clone(random), pad)), 0); !errors.Is(err, ErrPadding) {
			t.Errorf("pad length %d: %v", pad, err)
		}
	}
}

func TestNewProtectorErrors(t *testing.T) {
	gcm, cbc := suiteOf(t, IKE, protectorSuites[2]), suiteOf(t, IKE, protectorSuites[5])
	foreign := cbc
	foreign.Encryption.ID = 2 // DES
	tests := []struct {
		name        string
		suite       Suite
		encr, integ int
	}{
		{"no salt", gcm, 32, 0}, {"an integrity key with an AEAD", gcm, 36, 32}, {"no key", gcm, 0, 0},
		{"short key", cbc, 16, 32}, {"no integrity key", cbc, 32, 0}, {"short integrity key", cbc, 32, 20},
		{"CCM with the salt of GCM", suiteOf(t, IKE, "aes128ccm16-prfsha256-ecp256"), 20, 0},
		{"ChaCha20 without salt", suiteOf(t, IKE, "chacha20poly1305-prfsha256-ecp256"), 32, 0},
		{"GMAC", Suite{Protocol: IKE, Encryption: Transform{Encryption, AESGMAC, 128}}, 20, 0},
		{"NULL", Suite{Protocol: IKE, Encryption: Transform{Encryption, Null, 0}}, 0, 0},
		{"ESP", suiteOf(t, ESP, "aes256gcm16"), 36, 0}, {"the zero suite", Suite{}, 0, 0},
		{"no suite", Suite{Protocol: IKE}, 0, 0}, {"unknown cipher", foreign, 32, 32},
	}
	for _, tt := range tests {
		if _, err := NewProtector(tt.suite, make([]byte, tt.encr), make([]byte, tt.integ)); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
}

func TestProtectorErase(t *testing.T) {
	for _, text := range protectorSuites {
		p := protector(t, text)
		message, _ := p.Seal(nil, nil, []byte("x"), seeded(1))
		p.Erase()
		if _, err := p.Open(message, 0); err == nil {
			t.Errorf("%s: opens after Erase", text)
		}
		if _, err := p.Seal(nil, nil, nil, seeded(1)); err == nil {
			t.Errorf("%s: seals after Erase", text)
		}
	}
}

func TestSealReportsABadSource(t *testing.T) {
	for _, text := range protectorSuites {
		if _, err := protector(t, text).Seal(nil, nil, nil, bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzProtectorOpen(f *testing.F) {
	var ps []*Protector
	for i, text := range protectorSuites {
		p := protector(f, text)
		ps = append(ps, p)
		for _, n := range []int{0, 15, 16, 100} {
			prefix := octets(32, 7)
			m, err := p.Seal(bytes.Clone(prefix), prefix, octets(n, 1), seeded(byte(n)))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(byte(i), len(prefix), m)
			f.Add(byte(i), len(prefix), m[:len(m)-1])
		}
	}
	f.Fuzz(func(t *testing.T, which byte, offset int, message []byte) {
		plain, err := ps[int(which)%len(ps)].Open(message, offset)
		if (err == nil) != (plain != nil) && len(plain) != 0 {
			t.Errorf("%x with %v", plain, err)
		}
		if len(plain) > len(message) {
			t.Errorf("%d octets became %d", len(message), len(plain))
		}
		if err != nil && !errors.Is(err, ErrAuthentication) && !errors.Is(err, ErrLength) && !errors.Is(err, ErrPadding) {
			t.Error(err)
		}
	})
}
