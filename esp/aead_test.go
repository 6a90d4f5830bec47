package esp

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	aesccm "causeway/esp/ccm"
	aesgcm "causeway/esp/gcm"
)

// vector is one ESP packet. A sequence number of sixteen digits is an extended
// one; plaintext has its trailer, and sealed is ciphertext and ICV.
type vector struct{ name, key, salt, spi, seq, iv, plaintext, sealed string }

// check seals and opens v with its own IV.
func (v vector) check(t *testing.T, cipher Cipher) {
	t.Helper()
	s := NewScratch()
	p := Parameters{SPI: 256, Cipher: cipher, EncryptionKey: unhex(t, v.key+v.salt), ESN: len(v.seq) == 16}
	seq := binary.BigEndian.Uint64(append(make([]byte, 8-len(v.seq)/2), unhex(t, v.seq)...))
	want := unhex(t, v.spi+v.seq[len(v.seq)-8:]+v.iv+v.sealed)
	payload, nextHeader, ok := cutTrailer(unhex(t, v.plaintext))
	if !ok {
		t.Fatalf("%s has no trailer", v.name)
	}
	out, err := NewOutbound(p)
	if err != nil {
		t.Fatal(err)
	}
	out.spi = binary.BigEndian.Uint32(want)
	out.keys.hold(fixedIV{out.keys.held.Load().transform, unhex(t, v.iv)})
	if got := out.Seal(s, nil, payload, nextHeader, seq); !bytes.Equal(got, want) {
		t.Errorf("%s sealed is\n%x, want\n%x", v.name, got, want)
	}
	in, err := NewInbound(p)
	if err != nil {
		t.Fatal(err)
	}
	in.window.top = seq - 1
	got, gotNext, err := in.Open(s, want)
	if err != nil || !bytes.Equal(got, payload) || gotNext != nextHeader {
		t.Errorf("%s opened is %x, %d, %v", v.name, got, gotNext, err)
	}
}

// TestChaChaVector is the packet of RFC 7634 appendix A.
func TestChaChaVector(t *testing.T) {
	vector{
		name: "RFC 7634 appendix A",
		key:  "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", salt: "a0a1a2a3",
		spi: "01020304", seq: "00000005", iv: "1011121314151617",
		plaintext: "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10" +
			"0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223" +
			"2425262728292a2b2c2d2e2f303132333435363701020204",
		sealed: "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6" +
			"14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3" +
			"cbec163fac469b502773f6fb94e664da9165b82829f641e0" +
			"76aaa8266b7fb0f7b11b369907e1ad43",
	}.check(t, ChaCha20Poly1305)
}

// TestGMACVector is a packet of draft-mcgrew-gcm-test-01 §4.
func TestGMACVector(t *testing.T) {
	const plaintext = "45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f707172737401020201"
	vector{
		name: "draft-mcgrew-gcm-test-01",
		key:  "4c80cdefbb5d10da906ac73c3613a634", salt: "22433c64",
		spi: "00004321", seq: "00000007", iv: "0000000000000000",
		plaintext: plaintext, sealed: plaintext + "f2a9a836e155106aa8dcd618e4099aaa",
	}.check(t, AESGMAC)
}

// TestGMACWithESN computes the ICV as RFC 4543 §3.3 draws it: over SPI, the
// whole sequence number, IV, payload and trailer, in this order.
func TestGMACWithESN(t *testing.T) {
	p := suiteCalled("AES256GMAC")
	p.ESN = true
	out, err := NewOutbound(p)
	if err != nil {
		t.Fatal(err)
	}
	const seq = 0x0102030405060708
	payload := []byte("an inner packet")
	packet := out.Seal(NewScratch(), nil, payload, NextHeaderIPv4, seq)
	if !bytes.Equal(packet[16:16+len(payload)], payload) {
		t.Errorf("the payload is not readable in %x", packet)
	}
	key, err := aesgcm.NewKey(p.EncryptionKey[:32])
	if err != nil {
		t.Fatal(err)
	}
	n := len(packet) - 16
	signed := slices.Concat(packet[:4], binary.BigEndian.AppendUint64(nil, seq), packet[8:n])
	nonce, icv := [12]byte(slices.Concat(p.EncryptionKey[32:], packet[8:16])), make([]byte, 16)
	key.Seal(icv, &nonce, nil, signed)
	if !bytes.Equal(packet[n:], icv) {
		t.Errorf("the ICV is %x, want %x", packet[n:], icv)
	}
}

// TestCCMLayout takes packets apart with package ccm alone: the nonce is three
// bytes of salt and the IV (RFC 4309 §4), the additional data are the header, the
// sequence number whole (RFC 4309 §5).
func TestCCMLayout(t *testing.T) {
	for _, c := range suites {
		icv, ok := map[Cipher]int{AESCCM16: 16, AESCCM12: 12, AESCCM8: 8}[c.cipher]
		if !ok {
			continue
		}
		for _, esn := range []bool{false, true} {
			out, _ := newPair(t, c, Parameters{ESN: esn})
			const seq = 0x0102030405060708
			packet := out.Seal(NewScratch(), nil, []byte("an inner packet"), NextHeaderIPv4, seq)
			if len(packet) != 8+8+20+icv || !bytes.Equal(packet[8:16], []byte{1, 2, 3, 4, 5, 6, 7, 8}) {
				t.Errorf("%s: the packet is %x", c.name, packet)
			}
			material := c.parameters(Parameters{}).EncryptionKey
			key, err := aesccm.NewKey(material[:len(material)-3], 11, icv)
			if err != nil {
				t.Fatal(err)
			}
			aad := packet[:8]
			if esn {
				aad = binary.BigEndian.AppendUint64(bytes.Clone(packet[:4]), seq)
			}
			plaintext := make([]byte, 20)
			nonce := slices.Concat(material[len(material)-3:], packet[8:16])
			err = key.Open(new(aesccm.Scratch), plaintext, nonce, packet[16:], aad)
			if err != nil || string(plaintext) != "an inner packet\x01\x02\x03\x03\x04" {
				t.Errorf("%s, esn %v: %q, %v", c.name, esn, plaintext, err)
			}
		}
	}
}

// TestReadableCiphers: the payload of these, and of no other, is on the wire as
// it is.
func TestReadableCiphers(t *testing.T) {
	for _, c := range suites {
		out, _ := newPair(t, c, Parameters{})
		payload := []byte("a payload that is long enough")
		packet := out.Seal(NewScratch(), nil, payload, NextHeaderIPv4, 1)
		readable := c.cipher == AESGMAC || c.cipher == Null
		if bytes.Contains(packet, payload) != readable {
			t.Errorf("%s: readable is %v", c.name, !readable)
		}
	}
}
