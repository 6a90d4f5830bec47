package esp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/chacha20poly1305"
)

// suite is one combination of algorithms.
type suite struct {
	name      string
	cipher    Cipher
	keyLen    int // with the salt
	integrity Integrity
	macLen    int
}

var suites = []suite{
	{"AES128GCM", AESGCM16, 20, IntegrityNone, 0},
	{"AES128CBC-SHA256", AESCBC, 16, HMACSHA256_128, 32},
	{"AES192GCM", AESGCM16, 28, IntegrityNone, 0},
	{"AES256GCM", AESGCM16, 36, IntegrityNone, 0},
	{"AES192CBC-SHA384", AESCBC, 24, HMACSHA384_192, 48},
	{"AES256CBC-SHA512", AESCBC, 32, HMACSHA512_256, 64},
	{"AES256CBC-SHA1", AESCBC, 32, HMACSHA1_96, 20},
	{"AES128GCM12", AESGCM12, 20, IntegrityNone, 0},
	{"AES256GCM8", AESGCM8, 36, IntegrityNone, 0},
	{"AES128CCM16", AESCCM16, 19, IntegrityNone, 0},
	{"AES192CCM12", AESCCM12, 27, IntegrityNone, 0},
	{"AES256CCM8", AESCCM8, 35, IntegrityNone, 0},
	{"ChaCha20Poly1305", ChaCha20Poly1305, 36, IntegrityNone, 0},
	{"AES128GMAC", AESGMAC, 20, IntegrityNone, 0},
	{"AES256GMAC", AESGMAC, 36, IntegrityNone, 0},
	{"NULL-SHA256", Null, 0, HMACSHA256_128, 32},
	{"NULL-SHA1", Null, 0, HMACSHA1_96, 20},
	{"3DES-SHA1", TripleDES, 24, HMACSHA1_96, 20},
	{"3DES-SHA256", TripleDES, 24, HMACSHA256_128, 32},
}

const testSPI = 0xc0ffee01

func (c suite) parameters(p Parameters) Parameters {
	p.SPI, p.Cipher, p.Integrity = testSPI, c.cipher, c.integrity
	p.EncryptionKey = bytes.Repeat([]byte{0xe5}, c.keyLen)
	for i := range p.EncryptionKey {
		p.EncryptionKey[i] += byte(i) << 2 // 3DES refuses keys that repeat
	}
	p.IntegrityKey = bytes.Repeat([]byte{0xa7}, c.macLen)
	return p
}

// suiteCalled is the parameters of one suite.
func suiteCalled(name string) Parameters {
	n := slices.IndexFunc(suites, func(c suite) bool { return c.name == name })
	return suites[n].parameters(Parameters{})
}

// newPair makes both directions of one SA, as if the peer were ourselves.
func newPair(t testing.TB, c suite, p Parameters) (*Outbound, *Inbound) {
	t.Helper()
	out, err := NewOutbound(c.parameters(p))
	if err != nil {
		t.Fatal(err)
	}
	in, err := NewInbound(c.parameters(p))
	if err != nil {
		t.Fatal(err)
	}
	return out, in
}

func sealNext(t testing.TB, out *Outbound, s *Scratch, payload []byte) []byte {
	t.Helper()
	seq, _, err := out.Reserve(1, len(payload))
	if err != nil {
		t.Fatal(err)
	}
	return out.Seal(s, nil, payload, NextHeaderIPv4, seq)
}

// forEachSuite runs with 32-bit and with extended sequence numbers.
func forEachSuite(t *testing.T, run func(t *testing.T, c suite, p Parameters)) {
	t.Helper()
	for _, c := range suites {
		for _, esn := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/esn=%v", c.name, esn), func(t *testing.T) {
				run(t, c, Parameters{ESN: esn, ReplayWindow: 64})
			})
		}
	}
}

// inboundState is all that a packet may change.
type inboundState struct {
	Top, Packets, Bytes uint64
	Words               []uint64
	Soft                uint32
	Ended               bool
}

func stateOf(i *Inbound) inboundState {
	return inboundState{
		i.window.top, i.packets.Load(), i.bytes.Load(), slices.Clone(i.window.words), i.soft.Load(), i.ended.Load(),
	}
}

func TestRoundTripOfEverySize(t *testing.T) {
	forEachSuite(t, func(t *testing.T, c suite, p Parameters) {
		out, in := newPair(t, c, p)
		s := NewScratch()
		payload := make([]byte, 1500)
		rand.Read(payload)
		slab := []byte("before")
		for n := range payload {
			seq, _, err := out.Reserve(1, n)
			if err != nil {
				t.Fatal(err)
			}
			slab = out.Seal(s, slab[:6], payload[:n], NextHeaderIPv6, seq)
			if string(slab[:6]) != "before" {
				t.Fatal("sealing touched what was in dst")
			}
			packet := slab[6:]
			if len(packet) != out.SealedLen(n) || len(packet) > n+out.Overhead() {
				t.Fatalf("%d bytes seal to %d; SealedLen %d, Overhead %d", n, len(packet), out.SealedLen(n), out.Overhead())
			}
			got, nextHeader, err := in.Open(s, packet)
			if err != nil || nextHeader != NextHeaderIPv6 || !bytes.Equal(got, payload[:n]) {
				t.Fatalf("%d bytes open to %d, next header %d, %v", n, len(got), nextHeader, err)
			}
		}
		if in.Packets() != 1500 || in.Bytes() != 1500*1499/2 || out.Packets() != 1500 || out.Bytes() != in.Bytes() {
			t.Errorf("counted %d packets and %d bytes in, %d and %d out", in.Packets(), in.Bytes(), out.Packets(), out.Bytes())
		}
	})
}

func TestMaxPayload(t *testing.T) {
	for _, c := range suites {
		out, _ := newPair(t, c, Parameters{})
		for n := range 2000 {
			got := out.MaxPayload(n)
			if got >= 0 && out.SealedLen(got) > n || out.SealedLen(got+1) <= n {
				t.Fatalf("%s: %d bytes of packet hold %d of payload, which seal to %d", c.name, n, got, out.SealedLen(got))
			}
		}
	}
}

// TestMaxPayloadOfNoSA: what is foretold is what an SA then does.
func TestMaxPayloadOfNoSA(t *testing.T) {
	for _, c := range suites {
		out, _ := newPair(t, c, Parameters{})
		for _, n := range []int{0, 20, 100, 1452, 1472, 9000} {
			if got, err := MaxPayload(c.cipher, c.integrity, n); err != nil || got != out.MaxPayload(n) {
				t.Errorf("%s: %d bytes of packet hold %d, %v, but an SA says %d", c.name, n, got, err, out.MaxPayload(n))
			}
		}
	}
	for _, p := range []Parameters{{Cipher: 99}, {Cipher: Null}, {Cipher: AESGCM16, Integrity: HMACSHA1_96}, {Cipher: AESCBC, Integrity: 99}} {
		if _, err := MaxPayload(p.Cipher, p.Integrity, 1500); err == nil {
			t.Errorf("%v-%v has a size", p.Cipher, p.Integrity)
		}
	}
}

func TestSPI(t *testing.T) {
	out, in := newPair(t, suites[0], Parameters{})
	packet := sealNext(t, out, NewScratch(), nil)
	if spi, ok := SPI(packet); !ok || spi != testSPI || in.SPI() != spi || out.SPI() != spi {
		t.Errorf("SPI is %08x, %v", spi, ok)
	}
	for n := range headerLen {
		if _, ok := SPI(packet[:n]); ok {
			t.Errorf("%d bytes have an SPI", n)
		}
	}
	if _, ok := SPI(make([]byte, 32)); ok {
		t.Error("the marker of IKE is an SPI")
	}
}

// opens opens a copy of packet, since opening destroys it.
func opens(in *Inbound, s *Scratch, packet []byte) error {
	payload, nextHeader, err := in.Open(s, bytes.Clone(packet))
	if err != nil && (payload != nil || nextHeader != 0) {
		return fmt.Errorf("refused with %w, but returned %d bytes", err, len(payload))
	}
	return err
}

func TestEveryTruncationIsRefused(t *testing.T) {
	forEachSuite(t, func(t *testing.T, c suite, p Parameters) {
		out, in := newPair(t, c, p)
		s := NewScratch()
		packet := sealNext(t, out, s, make([]byte, 100))
		before := stateOf(in)
		for n := range packet {
			if err := opens(in, s, packet[:n]); err != ErrShort && err != ErrAuthentication && err != ErrReplay {
				t.Errorf("the first %d of %d bytes: %v", n, len(packet), err)
			}
			ciphertext := n - out.shape.body() - out.shape.icv
			short := ciphertext < trailerLen ||
				c.cipher == AESCBC && ciphertext%16 != 0 || c.cipher == TripleDES && ciphertext%8 != 0
			if got := opens(in, s, packet[:n]) == ErrShort; got != short {
				t.Errorf("%d bytes are short: %v", n, got)
			}
		}
		if err := opens(in, s, append(bytes.Clone(packet), 0)); err != ErrShort && err != ErrAuthentication {
			t.Errorf("a byte more: %v", err)
		}
		if diff := cmp.Diff(before, stateOf(in)); diff != "" {
			t.Errorf("state changed (-before +after):\n%s", diff)
		}
		if err := opens(in, s, packet); err != nil {
			t.Errorf("the packet itself: %v", err)
		}
	})
}

func TestEveryBitFlipIsRefused(t *testing.T) {
	forEachSuite(t, func(t *testing.T, c suite, p Parameters) {
		out, in := newPair(t, c, p)
		s := NewScratch()
		if err := opens(in, s, sealNext(t, out, s, nil)); err != nil {
			t.Fatal(err)
		}
		packet := sealNext(t, out, s, []byte("an inner packet"))
		before := stateOf(in)
		for bit := range len(packet) * 8 {
			packet[bit/8] ^= 1 << (bit % 8)
			if err := opens(in, s, packet); err != ErrAuthentication && err != ErrReplay {
				t.Errorf("bit %d: %v", bit, err)
			}
			packet[bit/8] ^= 1 << (bit % 8)
		}
		if diff := cmp.Diff(before, stateOf(in)); diff != "" {
			t.Errorf("state changed (-before +after):\n%s", diff)
		}
		if err := opens(in, s, packet); err != nil {
			t.Errorf("the packet itself: %v", err)
		}
	})
}

// TestAReplayCostsNoCryptography: the window is asked first (RFC 4303 §3.4.3), so
// even a forged copy is a replay.
func TestAReplayCostsNoCryptography(t *testing.T) {
	out, in := newPair(t, suites[0], Parameters{})
	s := NewScratch()
	packet := sealNext(t, out, s, []byte("payload"))
	if err := opens(in, s, packet); err != nil {
		t.Fatal(err)
	}
	packet[len(packet)-1] ^= 1
	if err := opens(in, s, packet); err != ErrReplay {
		t.Errorf("a forged copy: %v", err)
	}
	batch := []Packet{{Bytes: packet}}
	if in.Check(batch); batch[0].Err != ErrReplay {
		t.Errorf("Check: %v", batch[0].Err)
	}
}

// TestReplay sends numbers in an order and says for each what becomes of it;
// the window is 64.
func TestReplay(t *testing.T) {
	forEachSuite(t, func(t *testing.T, c suite, p Parameters) {
		out, in := newPair(t, c, p)
		s := NewScratch()
		for n, step := range []struct {
			seq  uint64
			want error
		}{
			{0, ErrReplay},
			{1, nil},
			{1, ErrReplay},
			{3, nil},
			{2, nil},
			{2, ErrReplay},
			{66, nil},
			{2, ErrReplay}, // both seen and too old
			{4, nil},
			{3, ErrReplay},
			{67, nil},
			{5, nil},
			{68, nil},
			{1000, nil},
			{936, ErrReplay}, // the first that is too old
			{937, nil},       // the last that is not
			{937, ErrReplay},
			{999, nil},
			{1 << 31, nil},
			{1<<31 - 63, nil},
			{1<<31 - 64, ErrReplay},
			{1000, ErrReplay},
		} {
			packet := out.Seal(s, nil, []byte("payload"), NextHeaderIPv4, step.seq)
			err := opens(in, s, packet)
			// An old number of an extended sequence is taken for a number to come,
			// which the ICV then refutes.
			if p.ESN && step.want == ErrReplay && err == ErrAuthentication {
				continue
			}
			if err != step.want {
				t.Fatalf("step %d, number %d: %v, want %v", n+1, step.seq, err, step.want)
			}
		}
	})
}

func TestPadding(t *testing.T) {
	for _, c := range suites {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range []struct {
				name    string
				trailer []byte // ends 16 bytes of plaintext
				want    error
				payload int
			}{
				{"none", []byte{0, 4}, nil, 14},
				{"two", []byte{1, 2, 2, 4}, nil, 12},
				{"all", []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 14, 4}, nil, 0},
				{"zeros", []byte{0, 0, 2, 4}, ErrPadding, 0},
				{"last wrong", []byte{1, 2, 4, 3, 4}, ErrPadding, 0},
				{"longer than the packet", []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 4}, ErrPadding, 0},
				{"longest", []byte{255, 4}, ErrPadding, 0},
			} {
				out, in := newPair(t, c, Parameters{})
				s := NewScratch()
				plaintext := append(bytes.Repeat([]byte{0xcc}, 16-len(v.trailer)), v.trailer...)
				packet := sealPlaintext(out, s, plaintext, 1)
				payload, nextHeader, err := in.Open(s, bytes.Clone(packet))
				if err != v.want || err == nil && (len(payload) != v.payload || nextHeader != NextHeaderIPv4) {
					t.Errorf("%s: %d bytes, next header %d, %v", v.name, len(payload), nextHeader, err)
				}
				// It was authentic, so its number is used (RFC 4303 §3.4.3).
				if err := opens(in, s, packet); err != ErrReplay {
					t.Errorf("%s, again: %v", v.name, err)
				}
				if in.Packets() != map[bool]uint64{true: 1}[v.want == nil] {
					t.Errorf("%s: counted %d packets", v.name, in.Packets())
				}
			}
		})
	}
}

// sealPlaintext seals with the trailer that plaintext ends with, of which only
// the last two bytes are the sealer's own.
func sealPlaintext(out *Outbound, s *Scratch, plaintext []byte, seq uint64) []byte {
	held := out.keys.held.Load()
	packet := make([]byte, out.shape.body()+len(plaintext)+out.shape.icv)
	putHeader(packet, out.spi, seq)
	held.putIV(packet[headerLen:out.shape.body()], s, seq)
	held.seal(s, packet, plaintext, seq)
	return packet
}

func TestDummyAndTFCPaddingReachTheCaller(t *testing.T) {
	for _, c := range suites {
		out, in := newPair(t, c, Parameters{})
		s := NewScratch()
		dummy := out.Seal(s, nil, []byte("nonsense"), NextHeaderDummy, 1)
		if payload, nextHeader, err := in.Open(s, dummy); err != nil || nextHeader != NextHeaderDummy || string(payload) != "nonsense" {
			t.Errorf("%s: dummy: %q, %d, %v", c.name, payload, nextHeader, err)
		}
		padded := append([]byte("an inner packet"), make([]byte, 300)...)
		packet := out.Seal(s, nil, padded, NextHeaderIPv4, 2)
		if payload, _, err := in.Open(s, packet); err != nil || !bytes.Equal(payload, padded) {
			t.Errorf("%s: TFC: %d bytes, %v", c.name, len(payload), err)
		}
	}
}

func TestErase(t *testing.T) {
	for _, c := range suites {
		out, in := newPair(t, c, Parameters{})
		s := NewScratch()
		packet := sealNext(t, out, s, []byte("payload"))
		batch := []Packet{{Bytes: bytes.Clone(packet)}}
		in.Check(batch)
		out.Erase()
		in.Erase()
		in.Decrypt(s, &batch[0])
		in.Commit(batch)
		if batch[0].Err != ErrExhausted {
			t.Errorf("%s: a checked packet: %v", c.name, batch[0].Err)
		}
		if err := opens(in, s, packet); err != ErrExhausted || in.Limit() != OK {
			t.Errorf("%s: open: %v", c.name, err)
		}
		if _, state, err := out.Reserve(1, 1); err != ErrExhausted || state != OK {
			t.Errorf("%s: reserve: %v, %v", c.name, state, err)
		}
		if got := out.Seal(s, []byte("x"), []byte("payload"), NextHeaderIPv4, 2); string(got) != "x" {
			t.Errorf("%s: sealed %q", c.name, got)
		}
	}
}

func TestParametersAreChecked(t *testing.T) {
	good := suites[0].parameters(Parameters{})
	cbc := suites[1].parameters(Parameters{})
	for _, c := range []struct {
		name   string
		p      Parameters
		change func(*Parameters)
		says   string
	}{
		{"reserved SPI", good, func(p *Parameters) { p.SPI = 255 }, "reserved"},
		{"no cipher", good, func(p *Parameters) { p.Cipher = 0 }, "unknown cipher 0"},
		{"key without salt", good, func(p *Parameters) { p.EncryptionKey = p.EncryptionKey[:16] }, "not 16 in all"},
		{"GCM with integrity", good, func(p *Parameters) { p.Integrity = HMACSHA256_128 }, "takes no integrity"},
		{"GCM with integrity key", good, func(p *Parameters) { p.IntegrityKey = make([]byte, 32) }, "takes no integrity"},
		{"CBC without integrity", cbc, func(p *Parameters) { p.Integrity = IntegrityNone }, "needs an integrity"},
		{"CBC with unknown integrity", cbc, func(p *Parameters) { p.Integrity = 77 }, "integrity 77"},
		{"CBC key", cbc, func(p *Parameters) { p.EncryptionKey = make([]byte, 17) }, "not 17"},
		{"integrity key", cbc, func(p *Parameters) { p.IntegrityKey = make([]byte, 20) }, "32 bytes, not 20"},
		{"CCM key with four bytes of salt", suiteCalled("AES128CCM16"), func(p *Parameters) { p.EncryptionKey = make([]byte, 20) }, "not 20 in all"},
		{"ChaCha20 key", suiteCalled("ChaCha20Poly1305"), func(p *Parameters) { p.EncryptionKey = make([]byte, 20) }, "not 20 in all"},
		{"GMAC without salt", suiteCalled("AES128GMAC"), func(p *Parameters) { p.EncryptionKey = make([]byte, 16) }, "not 16 in all"},
		{"GMAC with integrity", suiteCalled("AES128GMAC"), func(p *Parameters) { p.Integrity = HMACSHA1_96 }, "takes no integrity"},
		{"NULL without integrity", suiteCalled("NULL-SHA256"), func(p *Parameters) { p.Integrity, p.IntegrityKey = IntegrityNone, nil }, "needs an integrity"},
		{"NULL with a key", suiteCalled("NULL-SHA256"), func(p *Parameters) { p.EncryptionKey = make([]byte, 16) }, "has no key"},
		{"small window", good, func(p *Parameters) { p.ReplayWindow = 32 }, "replay window of 32"},
		{"big window", good, func(p *Parameters) { p.ReplayWindow = 65537 }, "replay window of 65537"},
		{"negative window", good, func(p *Parameters) { p.ReplayWindow = -1 }, "replay window of -1"},
	} {
		p := c.p
		c.change(&p)
		_, err := NewInbound(p)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %q", c.name, err, c.says)
		}
		if _, err := NewOutbound(p); err == nil && !strings.Contains(c.name, "window") {
			t.Errorf("%s: the outbound SA is made", c.name)
		}
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	p := suites[1].parameters(Parameters{})
	p.EncryptionKey, p.IntegrityKey = []byte("SECRETSECRETSECR"), []byte(strings.Repeat("SECRET", 5)+"xx")
	out, err := NewOutbound(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", p, p, p, p), fmt.Sprintf("%+v", out)} {
		if strings.Contains(text, "SECRET") || strings.Contains(text, "83 69 67") || strings.Contains(text, "534543") {
			t.Errorf("printed: %s", text)
		}
	}
}

// TestAllocatesNothing leaves out what the package's documentation excepts.
func TestAllocatesNothing(t *testing.T) {
	forEachSuite(t, func(t *testing.T, c suite, p Parameters) {
		switch c.cipher {
		case AESGCM12, AESGCM8:
			if NativeName() == "crypto/cipher" {
				return
			}
		case ChaCha20Poly1305:
			if chachaAllocates(t) {
				return
			}
		}
		out, in := newPair(t, c, p)
		s := NewScratch()
		payload, slab := make([]byte, 1400), make([]byte, 0, 2048)
		batch := make([]Packet, 1)
		if n := testing.AllocsPerRun(200, func() {
			seq, _, _ := out.Reserve(2, 2800)
			packet := out.Seal(s, slab, payload, NextHeaderIPv4, seq)
			if _, _, err := in.Open(s, packet); err != nil {
				panic(err)
			}
			batch[0] = Packet{Bytes: out.Seal(s, slab, payload, NextHeaderIPv4, seq+1)}
			in.OpenBatch(s, batch)
			if batch[0].Err != nil {
				panic(batch[0].Err)
			}
			if _, _, err := in.Open(s, packet); err == nil {
				panic("a replay is accepted")
			}
			in.Limit()
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// chachaAllocates tells whether x/crypto computes without assembly here.
func chachaAllocates(t *testing.T) bool {
	key, err := chacha20poly1305.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	nonce, text := make([]byte, 12), make([]byte, 0, 100)
	return testing.AllocsPerRun(10, func() { key.Seal(text, nonce, text[:50], nil) }) != 0
}

// sentinel reports whether err is one that the tunnel can count.
func sentinel(err error) bool {
	return errors.Is(err, ErrShort) || errors.Is(err, ErrReplay) || errors.Is(err, ErrAuthentication) ||
		errors.Is(err, ErrPadding) || errors.Is(err, ErrExhausted)
}

func FuzzOpen(f *testing.F) {
	s := NewScratch()
	for n, c := range suites {
		for _, esn := range []bool{false, true} {
			out, _ := newPair(f, c, Parameters{ESN: esn})
			for _, size := range []int{0, 1, 20, 100} {
				f.Add(out.Seal(s, nil, make([]byte, size), NextHeaderIPv4, 1), uint8(n), esn)
			}
			f.Add(out.Seal(s, nil, nil, NextHeaderDummy, 1<<32-1), uint8(n), esn)
		}
	}
	f.Add([]byte{}, uint8(0), false)
	f.Fuzz(func(t *testing.T, packet []byte, n uint8, esn bool) {
		_, in := newPair(t, suites[int(n)%len(suites)], Parameters{ESN: esn, ReplayWindow: 64})
		s := NewScratch()
		before := stateOf(in)
		original := bytes.Clone(packet)
		payload, _, err := in.Open(s, packet)
		switch {
		case err == nil:
			if len(payload) > len(packet) || in.Packets() != 1 {
				t.Fatalf("%d bytes of payload, %d packets", len(payload), in.Packets())
			}
			if err := opens(in, s, original); err != ErrReplay {
				t.Fatalf("opened twice: %v", err)
			}
		case !sentinel(err) || payload != nil:
			t.Fatalf("refused with %d bytes and %v", len(payload), err)
		case err != ErrPadding:
			if diff := cmp.Diff(before, stateOf(in)); diff != "" {
				t.Fatalf("state changed (-before +after):\n%s", diff)
			}
		}
	})
}

// Two copies of a packet that are looked at before either is recorded are one packet (RFC
// 4303 §3.4.3).
func TestCopiesInOneBatch(t *testing.T) {
	forEachSuite(t, func(t *testing.T, c suite, p Parameters) {
		out, in := newPair(t, c, p)
		s := NewScratch()
		sealed := out.Seal(s, nil, []byte("payload of 16 B."), 4, 7)
		batch := []Packet{{Bytes: bytes.Clone(sealed)}, {Bytes: bytes.Clone(sealed)}}
		in.OpenBatch(s, batch)
		if batch[0].Err != nil || batch[1].Err != ErrReplay || batch[1].Payload != nil {
			t.Errorf("two copies: %v and %v", batch[0].Err, batch[1].Err)
		}
	})
}
