package cookie

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	alice = netip.MustParseAddrPort("192.0.2.1:500")
	nonce = bytes.Repeat([]byte{0x42}, 32)
)

// entropy is a reader that gives the same bytes in every run.
func entropy() io.Reader { return rand.NewChaCha8([32]byte{1}) }

func newGate(t testing.TB, cfg Config) *Gate {
	t.Helper()
	if cfg.Random == nil {
		cfg.Random = entropy()
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// challenged is a gate that wants a cookie of everybody.
func challenged(t testing.TB, cfg Config) *Gate {
	g := newGate(t, cfg)
	for i := range 32 {
		g.Opened(start, spoofed(i))
	}
	return g
}

// spoofed is the i-th of many sources.
func spoofed(i int) netip.AddrPort {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 0x0a000000+uint32(i))
	return netip.AddrPortFrom(netip.AddrFrom4(a), 500)
}

func wantVerdict(t *testing.T, what string, got, want Verdict) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestCookieAdmits(t *testing.T) {
	g := challenged(t, Config{})
	v, cookie := g.Admit(start, alice, 7, nonce, nil)
	wantVerdict(t, "without a cookie", v, Challenge)
	if len(cookie) < 1 || len(cookie) > 64 {
		t.Errorf("cookie of %d bytes, RFC 7296 §2.6 allows 1 to 64", len(cookie))
	}
	v, again := g.Admit(start, alice, 7, nonce, cookie)
	wantVerdict(t, "with the cookie", v, Accept)
	if again != nil {
		t.Errorf("accepted with another cookie %x", again)
	}
	if c := g.Counters(); c != (Counters{Accepted: 1, Challenged: 1}) {
		t.Errorf("counters %+v", c)
	}
}

func TestCookieIsBound(t *testing.T) {
	g := challenged(t, Config{})
	_, cookie := g.Admit(start, alice, 7, nonce, nil)
	other := bytes.Clone(nonce)
	other[31]++
	for name, try := range map[string]func() (Verdict, []byte){
		"address": func() (Verdict, []byte) {
			return g.Admit(start, netip.MustParseAddrPort("192.0.2.2:500"), 7, nonce, cookie)
		},
		"port": func() (Verdict, []byte) {
			return g.Admit(start, netip.MustParseAddrPort("192.0.2.1:501"), 7, nonce, cookie)
		},
		"SPI":          func() (Verdict, []byte) { return g.Admit(start, alice, 8, nonce, cookie) },
		"nonce":        func() (Verdict, []byte) { return g.Admit(start, alice, 7, other, cookie) },
		"nonce length": func() (Verdict, []byte) { return g.Admit(start, alice, 7, nonce[:31], cookie) },
		"IPv4 in IPv6": func() (Verdict, []byte) {
			return g.Admit(start, netip.MustParseAddrPort("[2001:db8::c000:201]:500"), 7, nonce, cookie)
		},
		"another gate": func() (Verdict, []byte) {
			return challenged(t, Config{Random: rand.NewChaCha8([32]byte{2})}).Admit(start, alice, 7, nonce, cookie)
		},
	} {
		v, _ := try()
		wantVerdict(t, "other "+name, v, Challenge)
	}
	for i := range cookie {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(cookie)
			bad[i] ^= bit
			if g.secrets.verify(bad, alice, 7, nonce) {
				t.Errorf("cookie with byte %d changed is valid", i)
			}
		}
		if g.secrets.verify(cookie[:i], alice, 7, nonce) {
			t.Errorf("the first %d bytes of a cookie are valid", i)
		}
	}
	if g.secrets.verify(append(bytes.Clone(cookie), 0), alice, 7, nonce) {
		t.Error("a longer cookie is valid")
	}
	if !g.secrets.verify(cookie, netip.MustParseAddrPort("[::ffff:192.0.2.1]:500"), 7, nonce) {
		t.Error("a cookie is not valid for the same address as a dual-stack socket shows it")
	}
}

func TestSecretRotation(t *testing.T) {
	const lifetime = time.Minute
	for age, want := range map[time.Duration]Verdict{
		0:                     Accept,
		lifetime - 1:          Accept,
		lifetime:              Accept, // under the previous secret
		lifetime + lifetime/2: Accept,
		2*lifetime - 1:        Accept,
		2 * lifetime:          Challenge,
		1000 * lifetime:       Challenge,
		-time.Hour:            Accept, // a clock that went back changes nothing
	} {
		g := challenged(t, Config{SecretLifetime: lifetime, HalfOpenTimeout: 1e6 * time.Hour})
		_, cookie := g.Admit(start, alice, 7, nonce, nil)
		v, _ := g.Admit(start.Add(age), alice, 7, nonce, cookie)
		wantVerdict(t, age.String(), v, want)
	}
}

func TestSecretRotationTwice(t *testing.T) {
	g := challenged(t, Config{SecretLifetime: time.Minute, HalfOpenTimeout: time.Hour})
	_, first := g.Admit(start, alice, 7, nonce, nil)
	v, second := g.Admit(start.Add(time.Minute), alice, 8, nonce, nil)
	wantVerdict(t, "second request", v, Challenge)
	v, _ = g.Admit(start.Add(2*time.Minute), alice, 7, nonce, first)
	wantVerdict(t, "cookie of two secrets ago", v, Challenge)
	_, again := g.Admit(start.Add(2*time.Minute), alice, 7, nonce, nil)
	if bytes.Equal(again[1:], first[1:]) {
		t.Error("the secret did not change")
	}
	v, _ = g.Admit(start.Add(2*time.Minute), alice, 8, nonce, second)
	wantVerdict(t, "cookie of the previous secret", v, Accept)
}

// failing gives n bytes and then an error.
type failing struct{ n int }

func (f *failing) Read(b []byte) (int, error) {
	if f.n == 0 {
		return 0, errors.New("no entropy")
	}
	n := min(len(b), f.n)
	f.n -= n
	return n, nil
}

func TestRandomFails(t *testing.T) {
	if _, err := New(Config{Random: &failing{n: secretLen - 1}}); err == nil {
		t.Error("a gate without a secret")
	}
	g := challenged(t, Config{Random: &failing{n: secretLen}, SecretLifetime: time.Second, HalfOpenTimeout: time.Hour})
	_, cookie := g.Admit(start, alice, 7, nonce, nil)
	v, _ := g.Admit(start.Add(time.Minute), alice, 7, nonce, cookie)
	wantVerdict(t, "under the secret that could not be replaced", v, Accept)
}

func TestConfigRefused(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no randomness":     {},
		"negative limit":    {Random: entropy(), MaxTotal: -1},
		"negative lifetime": {Random: entropy(), SecretLifetime: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzAdmit(f *testing.F) {
	g := challenged(f, Config{ChallengeRate: 1 << 30, ChallengeBurst: 1 << 30})
	_, valid := g.Admit(start, alice, 7, nonce, nil)
	f.Add([]byte{192, 0, 2, 1}, uint16(500), uint64(7), nonce, valid)
	f.Add([]byte{}, uint16(0), uint64(0), []byte{}, []byte{})
	f.Add(make([]byte, 16), uint16(4500), uint64(1), nonce, make([]byte, cookieLen))
	f.Fuzz(func(t *testing.T, ip []byte, port uint16, spiI uint64, ni, cookie []byte) {
		addr, _ := netip.AddrFromSlice(ip)
		source := netip.AddrPortFrom(addr, port)
		v, made := g.Admit(start, source, spiI, ni, cookie)
		switch {
		case !addr.IsValid() && v != Drop:
			t.Fatalf("%v without an address", v)
		case addr.IsValid() && v == Drop:
			t.Fatal("dropped below every limit")
		case v == Accept && !bytes.Equal(cookie, g.secrets.bake(source, spiI, ni)):
			t.Fatalf("accepted with %x", cookie)
		case v == Challenge && !g.secrets.verify(made, source, spiI, ni):
			t.Fatalf("challenged with %x, which is not valid", made)
		}
	})
}
