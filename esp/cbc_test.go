package esp

import (
	"bytes"
	"crypto/aes"
	stdhmac "crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"
)

// TestCBCVectors are the four cases of RFC 3602 §4 without ESP.
func TestCBCVectors(t *testing.T) {
	for n, v := range []struct{ key, iv, plaintext, ciphertext string }{
		{
			"06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41",
			"53696e676c6520626c6f636b206d7367", "e353779c1079aeb82708942dbe77181a",
		}, {
			"c286696d887c9aa0611bbb3e2025a45a", "562e17996d093d28ddb3ba695a2e6f58",
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			"d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
		}, {
			"6c3ea0477630ce21a2ce334aa746c2cd", "c782dc4c098c66cbd9cd27d825682c81",
			"5468697320697320612034382d62797465206d657373616765202865786163746c7920332041455320626c6f636b7329",
			"d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684",
		}, {
			"56e47a38c5598974bc46903dba290349", "8ce82eefbea0da3c44699ed7db51b7d9",
			"a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf" +
				"c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
			"c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e" +
				"35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55",
		},
	} {
		block, err := aes.NewCipher(unhex(t, v.key))
		if err != nil {
			t.Fatal(err)
		}
		c := &cbc{block: block}
		b, iv := unhex(t, v.plaintext), unhex(t, v.iv)
		c.encrypt(b, iv)
		if want := unhex(t, v.ciphertext); !bytes.Equal(b, want) {
			t.Errorf("case %d encrypts to %x, want %x", n+1, b, want)
		}
		c.decrypt(b, iv)
		if want := unhex(t, v.plaintext); !bytes.Equal(b, want) {
			t.Errorf("case %d decrypts to %x, want %x", n+1, b, want)
		}
	}
}

// cbcPackets are the ESP packets of RFC 3602 §4, cases 5 to 8, which have no
// ICV; payload is what they carry without the trailer.
var cbcPackets = []struct {
	key, packet, payload string
	nextHeader           byte
}{
	{
		key: "90d382b410eeba7ad938c46cec1a82bf",
		packet: "0000432100000001e96e8c08ab465763fd098d45dd3ff893f663c25d325c18c6a9453e194e120849a4870b66cc6b9965" +
			"330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d59" +
			"13ac19b7cfbad4a6",
		payload: "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627" +
			"28292a2b2c2d2e2f3031323334353637",
		nextHeader: 1,
	}, {
		key: "90d382b410eeba7ad938c46cec1a82bf",
		packet: "000043210000000869d08df7d203329db093fc4924e5bd80f51995881ec4e0c4488987ce742e8109689bb379d2d750c0" +
			"d915dca346a89f75",
		payload:    "0800b5e8a80a0500a69c083d0b660e00777777777777777777777777",
		nextHeader: 1,
	}, {
		key: "0123456789abcdef0123456789abcdef",
		packet: "0000876500000002f4e765244f6407adf13dc1380f673f37773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a9301" +
			"3c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2" +
			"201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
		payload: "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f10111213" +
			"1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637",
		nextHeader: NextHeaderIPv4,
	}, {
		key: "0123456789abcdef0123456789abcdef",
		packet: "000087650000000585d47224b5f3dd5d2101d4ea8dffab2215b92683819596a8047232cc00f7048fe45318e11f8a0f62" +
			"ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc" +
			"6d17a0decbb13892",
		payload: "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffffffffffffffffffff" +
			"ffffffffffffffffffffffffffffffffffffffff",
		nextHeader: NextHeaderIPv4,
	},
}

// TestCBCPackets adds the ICV that the RFC's packets lack: to their end, since
// encryption comes first.
func TestCBCPackets(t *testing.T) {
	s := NewScratch()
	macKey := bytes.Repeat([]byte{0x17}, sha256.Size)
	for n, v := range cbcPackets {
		want, payload := unhex(t, v.packet), unhex(t, v.payload)
		spi, ok := SPI(want)
		if !ok {
			t.Fatal("no SPI")
		}
		p := Parameters{SPI: spi, Cipher: AESCBC, Integrity: HMACSHA256_128, EncryptionKey: unhex(t, v.key), IntegrityKey: macKey}
		mac := stdhmac.New(sha256.New, macKey)
		mac.Write(want)
		iv := bytes.Clone(want[8:24])
		want = append(want, mac.Sum(nil)[:16]...)
		seq := uint64(binary.BigEndian.Uint32(want[4:]))

		out, err := NewOutbound(p)
		if err != nil {
			t.Fatal(err)
		}
		out.keys.hold(fixedIV{out.keys.held.Load().transform, iv})
		if got := out.Seal(s, nil, payload, v.nextHeader, seq); !bytes.Equal(got, want) {
			t.Errorf("case %d sealed is\n%x, want\n%x", n+5, got, want)
		}

		in, err := NewInbound(p)
		if err != nil {
			t.Fatal(err)
		}
		got, nextHeader, err := in.Open(s, want)
		if err != nil || !bytes.Equal(got, payload) || nextHeader != v.nextHeader {
			t.Errorf("case %d opened is %x, %d, %v", n+5, got, nextHeader, err)
		}
	}
}

// TestCBCIVs: vectors neither repeat nor follow from the key and the sequence
// number (RFC 3602 §3), which the peer and the recipient of a copy know.
func TestCBCIVs(t *testing.T) {
	one, _ := newPair(t, suites[1], Parameters{})
	two, _ := newPair(t, suites[1], Parameters{})
	s := NewScratch()
	seen := make(map[[16]byte]bool)
	for seq := range uint64(1000) {
		for _, out := range []*Outbound{one, two} {
			packet := out.Seal(s, nil, []byte("payload"), NextHeaderIPv4, seq+1)
			iv := [16]byte(packet[8:24])
			if seen[iv] {
				t.Fatalf("IV %x comes twice", iv)
			}
			seen[iv] = true
		}
	}
}
