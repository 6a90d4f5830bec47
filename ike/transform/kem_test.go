package transform

import (
	"bytes"
	"crypto/mlkem"
	"errors"
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
