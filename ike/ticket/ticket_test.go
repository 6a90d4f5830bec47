package ticket

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

var start = time.Unix(1_800_000_000, 0)

func sample() *State {
	return &State{
		Connection: "azure", Binding: [BindingLen]byte{1, 2, 3}, IDi: []byte("\x02\x00\x00\x00a.example"), IDr: []byte("\x02\x00\x00\x00b.example"),
		SPIi: 1, SPIr: 1 << 63, Suite: []byte{1, 0, 20, 1, 0}, SKd: bytes.Repeat([]byte{7}, 32),
		Unproven: start.Add(2 * time.Hour), Expires: start.Add(Lifetime),
	}
}

func mint(t *testing.T) *Mint {
	t.Helper()
	return NewMint(rand.NewChaCha8([32]byte{1}))
}

func sealed(t *testing.T, m *Mint, now time.Time, s *State) []byte {
	t.Helper()
	raw, err := m.Seal(now, s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A ticket gives back what was sealed, and shows nothing of it.
func TestSealAndOpen(t *testing.T) {
	m, s := mint(t), sample()
	raw := sealed(t, m, start, s)
	if bytes.Contains(raw, s.SKd) || bytes.Contains(raw, []byte("example")) || bytes.Contains(raw, []byte("azure")) {
		t.Error("the ticket shows what it holds")
	}
	got, _, err := m.Open(start.Add(Lifetime-time.Second), raw)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, s) {
		t.Errorf("got %+v, want %+v", got, s)
	}
	if again := sealed(t, m, start, s); bytes.Equal(again, raw) {
		t.Error("two tickets of one state are the same")
	}
}

// Whoever changes any bit of a ticket, cuts it, or adds to it has none.
func TestChangedTickets(t *testing.T) {
	m := mint(t)
	raw := sealed(t, m, start, sample())
	for i := range len(raw) * 8 {
		bad := bytes.Clone(raw)
		bad[i/8] ^= 1 << (i % 8)
		if _, _, err := m.Open(start, bad); err == nil {
			t.Fatalf("a ticket with bit %d turned is opened", i)
		}
	}
	for n := range raw {
		if _, _, err := m.Open(start, raw[:n]); err == nil {
			t.Fatalf("the first %d octets of a ticket are opened", n)
		}
	}
	if _, _, err := m.Open(start, append(bytes.Clone(raw), 0)); err == nil {
		t.Error("a ticket with an octet more is opened")
	}
	if _, _, err := m.Open(start, make([]byte, 1<<16)); !errors.Is(err, errMalformed) {
		t.Errorf("a huge ticket: %v", err)
	}
}

// A ticket counts until it expires, and no ticket outlives its key by more than the
// life of one.
func TestLifetimes(t *testing.T) {
	m := mint(t)
	raw := sealed(t, m, start, sample())
	if _, _, err := m.Open(start.Add(Lifetime), raw); !errors.Is(err, errExpired) {
		t.Errorf("after its time: %v", err)
	}
	forever := sample()
	forever.Expires = start.Add(1000 * time.Hour)
	raw = sealed(t, m, start.Add(Lifetime-1), forever)
	later := sealed(t, m, start.Add(Lifetime), forever)
	if bytes.Equal(raw[:1+keyIDLen], later[:1+keyIDLen]) {
		t.Error("the key is not replaced")
	}
	if _, _, err := m.Open(start.Add(2*Lifetime-1), raw); err != nil {
		t.Errorf("under the key before: %v", err)
	}
	if _, _, err := m.Open(start.Add(2*Lifetime), raw); !errors.Is(err, errKey) {
		t.Errorf("under a key that is too old: %v", err)
	}
}

// Another process cannot read the tickets of this one.
func TestOtherMint(t *testing.T) {
	raw := sealed(t, mint(t), start, sample())
	if _, _, err := NewMint(rand.NewChaCha8([32]byte{2})).Open(start, raw); !errors.Is(err, errKey) {
		t.Errorf("another mint: %v", err)
	}
}

// A ticket is used once, whoever comes with it.
func TestSpend(t *testing.T) {
	m := mint(t)
	raw := sealed(t, m, start, sample())
	_, id, err := m.Open(start, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Spend(start, id); err != nil {
		t.Fatal(err)
	}
	if err := m.Spend(start, id); !errors.Is(err, errSpent) {
		t.Errorf("spent twice: %v", err)
	}
	if _, _, err := m.Open(start, raw); !errors.Is(err, errSpent) {
		t.Errorf("opened after it was spent: %v", err)
	}
}

// What was used is remembered within a bound: beyond it no ticket counts, until the
// oldest expired.
func TestTooManySpent(t *testing.T) {
	m := mint(t)
	raw := sealed(t, m, start, sample())
	for i := range maxSpent {
		if err := m.Spend(start, ID{byte(i), byte(i >> 8), byte(i >> 16), 0xff}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := m.Open(start, raw); !errors.Is(err, errFull) {
		t.Errorf("with too many used: %v", err)
	}
	if err := m.Spend(start, ID{0xee}); !errors.Is(err, errFull) || len(m.spent) != maxSpent {
		t.Errorf("one more is noted: %v, %d", err, len(m.spent))
	}
	if err := m.Spend(start.Add(2*Lifetime), ID{0xee}); err != nil || len(m.spent) != 1 {
		t.Errorf("after their time: %v, %d left", err, len(m.spent))
	}
}

// A state that does not fit is not sealed.
func TestTooLong(t *testing.T) {
	for name, change := range map[string]func(*State){
		"name":     func(s *State) { s.Connection = strings.Repeat("n", maxName+1) },
		"identity": func(s *State) { s.IDi = make([]byte, maxID+1) },
		"both":     func(s *State) { s.IDi, s.IDr = make([]byte, maxID), make([]byte, maxID) },
		"key":      func(s *State) { s.SKd = make([]byte, maxKey+1) },
	} {
		s := sample()
		change(s)
		if raw, err := mint(t).Seal(start, s); err == nil {
			t.Errorf("%s: a ticket of %d octets", name, len(raw))
		}
	}
}

// A binding depends on every part, on where one ends, and on the process.
func TestBind(t *testing.T) {
	m := mint(t)
	seen := map[[BindingLen]byte]bool{}
	for _, parts := range [][][]byte{{}, {nil}, {[]byte("ab")}, {[]byte("a"), []byte("b")}, {[]byte("b"), []byte("a")}, {[]byte("ab"), nil}} {
		b, err := m.Bind(parts...)
		if err != nil || seen[b] {
			t.Errorf("%q: %v, or the same as another", parts, err)
		}
		seen[b] = true
		if again, _ := m.Bind(parts...); again != b {
			t.Errorf("%q: another one the second time", parts)
		}
		if other, _ := NewMint(rand.NewChaCha8([32]byte{2})).Bind(parts...); other == b {
			t.Errorf("%q: the same in another process", parts)
		}
	}
}

// FuzzOpen: no octets that were not sealed are opened, and none do harm.
func FuzzOpen(f *testing.F) {
	m := NewMint(rand.NewChaCha8([32]byte{1}))
	raw, err := m.Seal(start, sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:headerLen])
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := m.Open(start, b); err == nil && !bytes.Equal(b, raw) {
			t.Errorf("opened %x", b)
		}
	})
}

// FuzzState: what is read is written the same again, and parts stay within bounds.
func FuzzState(f *testing.F) {
	plain, err := sample().append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parse(b)
		if err != nil {
			return
		}
		if len(s.Connection) > maxName || len(s.IDi) > maxID || len(s.IDr) > maxID || len(s.Suite) > maxSuite || len(s.SKd) > maxKey {
			t.Error("a part is longer than it may be")
		}
		if again, err := s.append(nil); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x is written as %x: %v", b, again, err)
		}
	})
}
