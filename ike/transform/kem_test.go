package transform

import (
	"bytes"
	"crypto/mlkem"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
)

var kemLengths = map[uint16][3]int{MLKEM512: {800, 768, 32}, MLKEM768: {1184, 1088, 32}, MLKEM1024: {1568, 1568, 32}}

func TestKEMsAgree(t *testing.T) {
	for id, lengths := range kemLengths {
		t.Run(Transform{KeyExchange, id, 0}.String(), func(t *testing.T) {
			g, err := NewGroup(id)
			if err != nil {
				t.Fatal(err)
			}
			own := generate(t, g, 1)
			answered, err := g.Answer(seeded(2), own.Public())
			if err != nil {
				t.Fatal(err)
			}
			if got := [3]int{len(own.Public()), len(answered.Public()), g.SharedLen()}; got != lengths || g.PublicLen() != got[0] || g.AnswerLen() != got[1] {
				t.Errorf("lengths are %v, want %v", got, lengths)
			}
			mine, err := own.Shared(answered.Public())
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := answered.Shared(own.Public())
			if err != nil || !bytes.Equal(mine, theirs) {
				t.Fatalf("no agreement: %v", err)
			}
			again, err := g.Answer(seeded(2), own.Public())
			if err != nil || !bytes.Equal(again.Public(), answered.Public()) || !bytes.Equal(generate(t, g, 1).Public(), own.Public()) {
				t.Error("the same random octets gave something else")
			}
			own.Erase()
			answered.Erase()
			if _, err := own.Shared(again.Public()); err == nil {
				t.Error("an erased key still agrees")
			}
			if _, err := answered.Shared(generate(t, g, 1).Public()); err == nil {
				t.Error("an erased answer still agrees")
			}
			if _, err := g.Answer(strings.NewReader("short"), generate(t, g, 1).Public()); err == nil {
				t.Error("a short source made an answer")
			}
			if _, err := g.Generate(strings.NewReader("short")); err == nil {
				t.Error("a short source made a key")
			}
		})
	}
}

// The encapsulation of one library is opened by the other.
func TestKEMsOfBothLibraries(t *testing.T) {
	g, _ := NewGroup(MLKEM768)
	own := generate(t, g, 9)
	key, err := mlkem.NewEncapsulationKey768(own.Public())
	if err != nil {
		t.Fatal(err)
	}
	want, ciphertext := key.Encapsulate()
	if got, err := own.Shared(ciphertext); err != nil || !bytes.Equal(got, want) {
		t.Errorf("no agreement: %v", err)
	}
}

// CVE-2023-41913 (strongSwan's charon-tkm): a public value that is longer than
// the group has. Every length but the right one is refused, by both sides of
// every method.
func TestCVE_2023_41913_PublicValueOfAnotherLength(t *testing.T) {
	for _, id := range append([]uint16{X448, MLKEM512, MLKEM768, MLKEM1024}, allGroups...) {
		g, _ := NewGroup(id)
		own := generate(t, g, 3)
		answered, err := g.Answer(seeded(4), own.Public())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, g.PublicLen() - 1, g.PublicLen() + 1, g.AnswerLen() - 1, g.AnswerLen() + 1, 2 * g.PublicLen(), 65531} {
			value := bytes.Repeat([]byte{2}, n)
			if _, err := own.Shared(value); n != g.AnswerLen() && !errors.Is(err, ErrPublicValue) {
				t.Errorf("group %d: %d octets to the initiator: %v", id, n, err)
			}
			if _, err := g.Answer(seeded(4), value); n != g.PublicLen() && !errors.Is(err, ErrPublicValue) {
				t.Errorf("group %d: %d octets to the responder: %v", id, n, err)
			}
			if _, err := answered.Shared(value); n != g.PublicLen() && !errors.Is(err, ErrPublicValue) {
				t.Errorf("group %d: %d octets to the responder's key: %v", id, n, err)
			}
		}
	}
}

// equal compares a value with one of a vector, or with its hash.
func equal(got []byte, want string) bool {
	if hash, ok := strings.CutPrefix(want, "="); ok {
		sum := sha256.Sum256(got)
		return hex.EncodeToString(sum[:]) == hash
	}
	return hex.EncodeToString(got) == want
}

func bytesOf(t *testing.T, s string) []byte {
	if s == "-" {
		return nil
	}
	return unhex(t, s)
}

// TestWycheproof has the vectors for ML-KEM and X448.
func TestWycheproof(t *testing.T) {
	file, err := os.ReadFile("testdata/wycheproof.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(file)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		var ok bool
		switch f[0] {
		case "decaps":
			ok = decapsVector(t, f[1:])
		case "encaps":
			ok = encapsVector(t, f[1:])
		case "x448":
			ok = x448Vector(t, f[1:])
		}
		if !ok {
			t.Errorf("%s", line[max(0, len(line)-120):])
		}
		seen[f[0]]++
	}
	if seen["decaps"] < 20 || seen["encaps"] < 20 || seen["x448"] < 40 {
		t.Errorf("only %v vectors", seen)
	}
}

func kemOf(t *testing.T, s string) *kemGroup {
	id, err := strconv.Atoi(s)
	if err != nil || kems[uint16(id)] == nil {
		t.Fatalf("no such group: %s", s)
	}
	return kems[uint16(id)]
}

func decapsVector(t *testing.T, f []string) bool {
	g, seed, valid := kemOf(t, f[0]), bytesOf(t, f[1]), f[5] == "valid"
	if len(seed) != kemSeedLen {
		return !valid
	}
	key, err := g.Generate(bytes.NewReader(seed))
	if err != nil {
		return !valid
	}
	shared, err := key.Shared(bytesOf(t, f[3]))
	if err != nil || !valid {
		return err != nil && !valid
	}
	return equal(shared, f[4]) && (f[2] == "-" || equal(key.Public(), f[2]))
}

func encapsVector(t *testing.T, f []string) bool {
	g, valid := kemOf(t, f[0]), f[5] == "valid"
	key, err := g.Answer(bytes.NewReader(bytesOf(t, f[2])), bytesOf(t, f[1]))
	if err != nil || !valid {
		return err != nil && !valid
	}
	shared, err := key.Shared(bytesOf(t, f[1]))
	return err == nil && equal(key.Public(), f[3]) && equal(shared, f[4])
}

func x448Vector(t *testing.T, f []string) bool {
	key, err := x448Group{}.Generate(bytes.NewReader(bytesOf(t, f[0])))
	if err != nil {
		return f[3] == "invalid"
	}
	shared, err := key.Shared(bytesOf(t, f[1]))
	// RFC 8031 §2.3 refuses what Wycheproof leaves open: a secret of zeros.
	refuse := f[3] == "invalid" || strings.Trim(f[2], "0") == ""
	if refuse || err != nil {
		return refuse && errors.Is(err, ErrPublicValue)
	}
	return equal(shared, f[2])
}
