package transform

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestMismatchErrorText(t *testing.T) {
	offered := list(t, IKE, "aes128-sha256-modp2048", "aes128-sha1-modp1024")
	allowed := list(t, IKE, "aes256gcm16-prfsha384-ecp384", "aes256-sha256-ecp384")
	_, _, err := Match(IKE, offered, allowed)
	if want := "transform: no common IKE proposal: nothing in common for encryption, key exchange"; fmt.Sprintf("%v", err) != want {
		t.Errorf("%%v is %v", err)
	}
	want := `transform: no common IKE proposal: nothing in common for encryption, key exchange
  offered by the peer     | allowed here
  aes128-sha256-modp2048  | aes256gcm16-prfsha384-ecp384
  aes128-sha1-modp1024    | aes256-sha256-ecp384
add "aes128-sha256-modp2048" to ike.proposals`
	if got := fmt.Sprintf("%+v", err); got != want {
		t.Errorf("%%+v is\n%s", got)
	}
	if got := fmt.Sprintf("%s|%v", err, err); strings.Contains(got, "\n") {
		t.Errorf("the short form has lines: %q", got)
	}
}

func TestMismatchHint(t *testing.T) {
	ours := list(t, ESP, "aes256gcm16-esn")
	foreign := Proposal{ESP, []Transform{{Encryption, 3, 0}, {SequenceNumbers, NoESN, 0}}}
	tests := []struct {
		name    string
		offered []Proposal
		allowed []Proposal
		want    string
	}{
		{"the first offer", list(t, ESP, "aes256gcm16", "aes256-sha256"), ours, `add "aes256gcm16" to esp.proposals`},
		{"the first offer without legacy", list(t, ESP, "aes256-sha1", "aes256-sha256"), ours, `add "aes256-sha256" to esp.proposals`},
		{"legacy last within an offer", list(t, ESP, "aes256-sha1-sha512"), ours, `add "aes256-sha512" to esp.proposals`},
		{"legacy only", list(t, ESP, "aes256-sha1"), ours, `better change the peer; if it cannot be changed, add "aes256-sha1" to esp.proposals`},
		{"what does not encrypt is last", list(t, ESP, "null-aes256-sha256"), ours, `add "aes256-sha256" to esp.proposals`},
		{"nothing that encrypts", list(t, ESP, "aes256gmac", "null-sha256"), ours, `better change the peer; if it cannot be changed, add "aes256gmac" to esp.proposals`},
		{"a group is kept", list(t, ESP, "aes256gcm16-modp2048"), ours, `add "aes256gcm16-modp2048" to esp.proposals`},
		{"nothing of it is supported", []Proposal{foreign}, ours, `make the peer accept "aes256gcm16-esn"`},
		{"nothing is offered", nil, ours, `make the peer accept "aes256gcm16-esn"`},
		{"nothing on either side", nil, nil, "add a proposal to esp.proposals"},
	}
	for _, tt := range tests {
		_, _, err := Match(ESP, tt.offered, tt.allowed)
		m, ok := err.(*MismatchError)
		if !ok {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if m.Hint() != tt.want {
			t.Errorf("%s: %s", tt.name, m.Hint())
		}
	}
}

// TestMismatchIsBounded has an offer as large as a peer can make it.
func TestMismatchIsBounded(t *testing.T) {
	var offered []Proposal
	for i := range 200 {
		p := Proposal{Protocol: ESP}
		for j := range 200 {
			p.Transforms = append(p.Transforms, Transform{Type(i), uint16(j), 7})
		}
		offered = append(offered, p)
	}
	_, _, err := Match(ESP, offered, DefaultESPProposals())
	if text := fmt.Sprintf("%+v", err); len(text) > 64*1024 || !strings.Contains(text, "and 168 more") {
		t.Errorf("%d octets of text", len(text))
	}
}

// BenchmarkMatchHostileOffer is the dearest Security Association payload that
// fits a datagram, before anything is authenticated.
func BenchmarkMatchHostileOffer(b *testing.B) {
	var offered []Proposal
	for range 250 {
		p := Proposal{Protocol: IKE}
		for j := range 32 {
			p.Transforms = append(p.Transforms, Transform{Type(1 + j%5), uint16(1000 + j), 0})
		}
		offered = append(offered, p)
	}
	allowed := DefaultIKEProposals()
	for b.Loop() {
		if _, _, err := Match(IKE, offered, allowed); err == nil {
			b.Fatal("a match")
		}
	}
}

// TestBrokenAlgorithmsAreNamed: who offers DES and MD5 only hears a sentence.
func TestBrokenAlgorithmsAreNamed(t *testing.T) {
	offered := Proposal{Protocol: ESP, Transforms: []Transform{
		{Encryption, DES, 0}, {Integrity, HMACMD5_96, 0}, {SequenceNumbers, NoESN, 0}}}
	_, _, err := Match(ESP, []Proposal{offered}, []Proposal{must(t, ESP, "aes256-sha256")})
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) {
		t.Fatal(err)
	}
	const want = `the peer offers des and md5, refused here whatever is configured, because anybody can break it: make the peer accept "aes256-sha256"`
	if got := mismatch.Hint(); got != want {
		t.Errorf("the hint is\n%s, want\n%s", got, want)
	}
	if offered.String() != "des-md5" {
		t.Errorf("the offer reads %s", offered)
	}
}
