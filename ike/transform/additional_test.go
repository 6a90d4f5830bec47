package transform

import (
	"errors"
	"testing"
)

func proposal(t *testing.T, proto Protocol, keywords string) Proposal {
	t.Helper()
	p, err := ParseProposal(proto, keywords)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAdditionalKeyExchanges has what RFC 9370 §2.2.1 says of proposals.
func TestAdditionalKeyExchanges(t *testing.T) {
	const base = "aes256gcm16-prfsha384-"
	for _, tt := range []struct{ name, offered, allowed, want string }{
		{"one", base + "x25519-ke1_mlkem768", base + "x25519-ke1_mlkem768", base + "x25519-ke1_mlkem768"},
		{"our order wins", base + "x25519-ke1_mlkem768-ke1_mlkem1024", base + "x25519-ke1_mlkem1024-ke1_mlkem768", base + "x25519-ke1_mlkem1024"},
		{"demanded there", base + "x25519-ke1_mlkem768", base + "x25519", ""},
		{"demanded here", base + "x25519", base + "x25519-ke1_mlkem768", ""},
		{"optional there", base + "x25519-ke1_mlkem768-ke1_none", base + "x25519", base + "x25519"},
		{"optional here", base + "x25519", base + "x25519-ke1_mlkem768-ke1_none", base + "x25519"},
		{"optional and common", base + "x25519-ke1_mlkem768", base + "x25519-ke1_mlkem768-ke1_none", base + "x25519-ke1_mlkem768"},
		{"a gap", base + "x25519-ke3_mlkem512", base + "x25519-ke3_mlkem512", base + "x25519-ke3_mlkem512"},
		{"never the same twice", base + "x25519-ke1_x25519-ke1_mlkem768", base + "x25519-ke1_x25519-ke1_mlkem768", base + "x25519-ke1_mlkem768"},
		{"never the same twice, additional", base + "x25519-ke1_mlkem768-ke2_mlkem768-ke2_none", base + "x25519-ke1_mlkem768-ke2_mlkem768-ke2_none", base + "x25519-ke1_mlkem768"},
		{"seven", base + "x25519-ke1_mlkem512-ke2_mlkem768-ke3_mlkem1024-ke4_x448-ke5_ecp256-ke6_ecp384-ke7_ecp521",
			base + "x25519-ke1_mlkem512-ke2_mlkem768-ke3_mlkem1024-ke4_x448-ke5_ecp256-ke6_ecp384-ke7_ecp521",
			base + "x25519-ke1_mlkem512-ke2_mlkem768-ke3_mlkem1024-ke4_x448-ke5_ecp256-ke6_ecp384-ke7_ecp521"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			offered, allowed := []Proposal{proposal(t, IKE, tt.offered)}, []Proposal{proposal(t, IKE, tt.allowed)}
			suite, _, err := Match(IKE, offered, allowed)
			if tt.want == "" {
				var mismatch *MismatchError
				if !errors.As(err, &mismatch) || len(mismatch.Missing) != 1 || mismatch.Missing[0] != FirstAdditional {
					t.Fatalf("chosen is %v, %v", suite, err)
				}
				return
			}
			if err != nil || suite.String() != tt.want {
				t.Fatalf("chosen is %v, %v; want %s", suite, err, tt.want)
			}
			if confirmed, err := Confirm(IKE, suite.Answer(offered[0]), offered); err != nil || confirmed != suite {
				t.Errorf("the answer %v is confirmed as %v, %v", suite.Answer(offered[0]), confirmed, err)
			}
		})
	}
}

// IKE_AUTH makes a Child SA without any key exchange.
func TestAdditionalKeyExchangesWithoutGroups(t *testing.T) {
	p := proposal(t, ESP, "aes256gcm16-ecp384-ke1_mlkem768")
	if got := WithoutGroups([]Proposal{p})[0].String(); got != "aes256gcm16" {
		t.Errorf("IKE_AUTH offers %s", got)
	}
	if s, _, err := MatchIgnoringGroup(ESP, []Proposal{proposal(t, ESP, "aes256gcm16")}, []Proposal{p}); err != nil || s.String() != "aes256gcm16" {
		t.Errorf("IKE_AUTH chooses %v, %v", s, err)
	}
}

func TestAdditionalKeyExchangeErrors(t *testing.T) {
	for _, keywords := range []string{"aes256gcm16-prfsha256-x25519-ke0_mlkem768", "aes256gcm16-prfsha256-x25519-ke8_mlkem768",
		"aes256gcm16-prfsha256-x25519-ke1_aes256", "aes256gcm16-prfsha256-x25519-ke1_ke2_mlkem768", "aes256gcm16-prfsha256-ke1_mlkem768",
		"aes256gcm16-prfsha256-x25519-ke1_mlkem768-ke1_mlkem768", "aes256gcm16-prfsha256-x25519-ke1_"} {
		if p, err := ParseProposal(IKE, keywords); err == nil {
			t.Errorf("%s is taken for %v", keywords, p)
		}
	}
	if _, err := ParseProposal(ESP, "aes256gcm16-ke1_mlkem768"); err == nil {
		t.Error("an additional key exchange without one to add to is taken")
	}
}
