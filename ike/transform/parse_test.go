package transform

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// must parses a proposal of a test.
func must(t testing.TB, proto Protocol, s string) Proposal {
	t.Helper()
	p, err := ParseProposal(proto, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseProposal(t *testing.T) {
	tests := []struct {
		proto Protocol
		text  string
		want  []Transform
		print string // empty: as text
	}{
		{IKE, "aes256gcm16-prfsha384-ecp384", []Transform{{1, 20, 256}, {2, 6, 0}, {4, 20, 0}}, ""},
		{IKE, "aes256-sha256-modp2048", []Transform{{1, 12, 256}, {2, 5, 0}, {3, 12, 0}, {4, 14, 0}}, ""},
		{IKE, "aes128-sha1-modp1024", []Transform{{1, 12, 128}, {2, 2, 0}, {3, 2, 0}, {4, 2, 0}}, ""},
		{IKE, "aes256-sha256-prfsha512-modp8192", []Transform{{1, 12, 256}, {2, 7, 0}, {3, 12, 0}, {4, 18, 0}}, ""},
		{IKE, "aes256-sha256-prfsha256-ecp256", []Transform{{1, 12, 256}, {2, 5, 0}, {3, 12, 0}, {4, 19, 0}}, "aes256-sha256-ecp256"},
		{IKE, " AES256-AES192-sha512-SHA384-curve25519-ecp521 ",
			[]Transform{{1, 12, 256}, {1, 12, 192}, {2, 7, 0}, {2, 6, 0}, {3, 14, 0}, {3, 13, 0}, {4, 31, 0}, {4, 21, 0}},
			"aes256-aes192-sha512-sha384-x25519-ecp521"},
		{IKE, "aes-sha-modp3072", []Transform{{1, 12, 128}, {2, 2, 0}, {3, 2, 0}, {4, 15, 0}}, "aes128-sha1-modp3072"},
		{IKE, "aes128gcm128-aes192gcm-prfsha256-modp4096-modp6144",
			[]Transform{{1, 20, 128}, {1, 20, 192}, {2, 5, 0}, {4, 16, 0}, {4, 17, 0}},
			"aes128gcm16-aes192gcm16-prfsha256-modp4096-modp6144"},
		{IKE, "chacha20poly1305-aes256ccm-aes128gcm96-prfsha256-x25519",
			[]Transform{{1, 28, 0}, {1, 16, 256}, {1, 19, 128}, {2, 5, 0}, {4, 31, 0}},
			"chacha20poly1305-aes256ccm16-aes128gcm12-prfsha256-x25519"},
		{ESP, "aes128ccm16-aes192ccm12-aes256ccm8-aes128gcm8-chacha20poly1305",
			[]Transform{{1, 16, 128}, {1, 15, 192}, {1, 14, 256}, {1, 18, 128}, {1, 28, 0}, {5, 0, 0}}, ""},
		{ESP, "aes256gmac-esn", []Transform{{1, 21, 256}, {5, 1, 0}}, ""},
		{ESP, "null-sha256", []Transform{{1, 11, 0}, {3, 12, 0}, {5, 0, 0}}, ""},
		{ESP, "aes256gcm16", []Transform{{1, 20, 256}, {5, 0, 0}}, ""},
		{ESP, "aes256gcm16-noesn", []Transform{{1, 20, 256}, {5, 0, 0}}, "aes256gcm16"},
		{ESP, "aes256gcm16-esn", []Transform{{1, 20, 256}, {5, 1, 0}}, ""},
		{ESP, "aes256gcm16-esn-noesn", []Transform{{1, 20, 256}, {5, 1, 0}, {5, 0, 0}}, ""},
		{ESP, "esn-ecp384-aes256gcm16", []Transform{{1, 20, 256}, {4, 20, 0}, {5, 1, 0}}, "aes256gcm16-ecp384-esn"},
		{ESP, "aes128-sha256-x25519-none", []Transform{{1, 12, 128}, {3, 12, 0}, {4, 31, 0}, {4, 0, 0}, {5, 0, 0}}, ""},
	}
	for _, tt := range tests {
		got := must(t, tt.proto, tt.text)
		if diff := cmp.Diff(Proposal{tt.proto, tt.want}, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.text, diff)
		}
		print := tt.print
		if print == "" {
			print = tt.text
		}
		if got.String() != print {
			t.Errorf("%s prints as %s", tt.text, got)
		}
		if again := must(t, tt.proto, got.String()); !slices.Equal(again.Transforms, got.Transforms) {
			t.Errorf("%s does not survive printing", tt.text)
		}
	}
}

func TestParseProposalErrors(t *testing.T) {
	tests := []struct {
		proto Protocol
		text  string
		want  []string
	}{
		{IKE, "", []string{"empty proposal", `"aes256gcm16-prfsha384-ecp384"`}},
		{ESP, "  ", []string{"empty proposal", `"aes256gcm16-esn"`}},
		{IKE, "aes256--sha256", []string{"a keyword is missing beside a hyphen"}},
		{IKE, "aes256-sha265-modp2048", []string{`unknown keyword "sha265"`, `did you mean "sha256"?`, "prfsha384"}},
		{IKE, "aes256gcm-prfsha384-modp248", []string{`did you mean "modp2048"?`}},
		{IKE, "aes256-sha256-frobnicate", []string{`unknown keyword "frobnicate"; allowed: aes128gcm16`, "x25519"}},
		{IKE, "des-sha256-modp2048", []string{"des is not supported (its 56-bit keys are found in hours: use aes128", "allowed: "}},
		{ESP, "aes128-md5", []string{"md5 is not supported (it is broken: use sha256"}},
		{ESP, "aes256ctr-sha256", []string{"aes256ctr is not supported (use aes256gcm16)"}},
		{ESP, "null", []string{"null needs an integrity algorithm"}},
		{ESP, "aes128gmac-sha256", []string{"aes128gmac authenticates by itself: leave sha256 out"}},
		{ESP, "null-aes128gmac-sha256", []string{"null and aes128gmac need a proposal each"}},
		{ESP, "chacha20poly1305-aes256-sha256", []string{"need a proposal each"}},
		{IKE, "null-sha256-modp2048", []string{"null is for ESP: an IKE SA is always encrypted"}},
		{IKE, "aes256gmac-prfsha256-modp2048", []string{"aes256gmac is for ESP: an IKE SA is always encrypted"}},
		{IKE, "chacha20poly1305-sha256-ecp256", []string{"write prfsha256 in place of sha256"}},
		{IKE, "default", []string{"leave proposals out"}},
		{IKE, "aes256-sha256-modp2048!", []string{`leave the "!" out`}},
		{IKE, "aes256gcm16-ecp384", []string{"aes256gcm16 needs a PRF", "prfsha384"}},
		{IKE, "aes256gcm16-sha384-ecp384", []string{"write prfsha384 in place of sha384"}},
		{IKE, "aes256gcm16-sha384-prfsha384-ecp384", []string{"write prfsha384 in place of sha384"}},
		{ESP, "aes256gcm16-sha384", []string{"aes256gcm16 authenticates by itself: leave sha384 out"}},
		{IKE, "aes256-sha256", []string{"a Diffie-Hellman group is missing"}},
		{IKE, "sha256-modp2048", []string{"an encryption algorithm is missing"}},
		{ESP, "aes256", []string{"aes256 needs an integrity algorithm", "sha256"}},
		{IKE, "aes256-prfsha256-modp2048", []string{"aes256 needs an integrity algorithm"}},
		{ESP, "aes256-prfsha256-sha256", []string{"prfsha256 is for IKE"}},
		{IKE, "aes256-sha256-modp2048-esn", []string{"esn is for ESP"}},
		{IKE, "aes256-sha256-modp2048-none", []string{"none is for ESP: an IKE SA always needs"}},
		{ESP, "aes256-aes256gcm16-sha256", []string{"aes256 and aes256gcm16 need a proposal each"}},
		{ESP, "aes256gcm16-aes256-sha256", []string{"aes256gcm16 and aes256 need a proposal each"}},
		{IKE, "aes256-sha256-sha2_256-modp2048", []string{"sha256 is given twice"}},
		{AH, "sha256", []string{"AH proposals are not supported"}},
		{IKE, strings.Repeat("aes256-", 100), []string{"101 keywords: at most 64"}},
		{IKE, strings.Repeat("aes256-", 1000), []string{"7000 characters: at most 1024"}},
	}
	for _, tt := range tests {
		_, err := ParseProposal(tt.proto, tt.text)
		if err == nil {
			t.Errorf("%s: no error", tt.text)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q lacks %q", tt.text, err, part)
			}
		}
	}
}

func TestKeywords(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range table {
		for _, name := range append([]string{k.Name}, k.Aliases...) {
			if seen[name] {
				t.Errorf("keyword %s is there twice", name)
			}
			seen[name] = true
			if _, ok := refused[name]; ok {
				t.Errorf("keyword %s is both supported and refused", name)
			}
		}
		if k.About == "" {
			t.Errorf("keyword %s is not explained", k.Name)
		}
		if k.Transform.Type == KeyExchange && !k.Transform.none() {
			if _, err := NewGroup(k.Transform.ID); err != nil {
				t.Errorf("%s: %v", k.Name, err)
			}
		}
		if k.Transform.Type == PseudoRandom {
			if _, err := NewPRF(k.Transform.ID); err != nil {
				t.Errorf("%s: %v", k.Name, err)
			}
		}
	}
	for _, name := range []string{"null", "aes128gmac", "aes192gmac", "aes256gmac"} {
		if k, _ := lookup(name); k.allowedIn(IKE) || !k.allowedIn(ESP) || !k.Transform.readable() {
			t.Errorf("%s is for ESP only, and readable", name)
		}
	}
	ike, esp := Keywords(IKE), Keywords(ESP)
	if slices.Contains(ike, "esn") || slices.Contains(ike, "none") || !slices.Contains(ike, "prfsha256") {
		t.Errorf("IKE keywords: %v", ike)
	}
	if slices.Contains(esp, "prfsha256") || !slices.Contains(esp, "esn") || !slices.Contains(esp, "none") {
		t.Errorf("ESP keywords: %v", esp)
	}
	if len(KeywordTable(IKE)) != len(ike) || Keywords(AH) != nil {
		t.Error("Keywords and KeywordTable differ")
	}
}

func TestTransformString(t *testing.T) {
	for want, tr := range map[string]Transform{
		"": {}, "aes256": {Encryption, AESCBC, 256}, "encr#12": {Encryption, AESCBC, 0}, "encr#1": {Encryption, 1, 0}, "3des": {Encryption, 3, 0}, "des": {Encryption, 2, 0},
		"md5": {Integrity, 1, 0}, "integ#3": {Integrity, 3, 0}, "prf#4/128": {PseudoRandom, 4, 128}, "group#4": {KeyExchange, 4, 0}, "modp1536": {KeyExchange, 5, 0},
		"esn#2": {SequenceNumbers, 2, 0}, "ke1_mlkem512": {6, 35, 0}, "ke7_group#34": {12, 34, 0}, "type13#35": {13, 35, 0},
	} {
		if tr.String() != want {
			t.Errorf("%#v prints as %q, not %q", tr, tr, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	for _, p := range append(DefaultIKEProposals(), DefaultESPProposals()...) {
		if p.legacy() {
			t.Errorf("%s holds a legacy algorithm", p)
		}
		if got := must(t, p.Protocol, p.String()); !slices.Equal(got.Transforms, p.Transforms) {
			t.Errorf("a default cannot be written by hand:\n%v\n%v", p.Transforms, got.Transforms)
		}
	}
}

func FuzzParseProposal(f *testing.F) {
	for _, s := range []string{
		"aes256gcm16-prfsha384-ecp384", "aes256-sha256-modp2048", "aes256gcm16-esn-noesn", "aes128-sha1-modp1024-none",
		"", "-", "default", "aes256!", "sha265", "aes256-aes256gcm16-sha256", "AES256-SHA2_512-curve25519",
	} {
		f.Add(true, s)
		f.Add(false, s)
	}
	f.Fuzz(func(t *testing.T, ike bool, s string) {
		proto := ESP
		if ike {
			proto = IKE
		}
		p, err := ParseProposal(proto, s)
		if v1, errV1 := ParseIKEv1Proposal(proto, s); errV1 == nil && (err != nil || !slices.Equal(v1.Transforms, p.Transforms)) {
			t.Fatalf("%q is %v in IKEv1 and %v, %v otherwise", s, v1, p, err)
		}
		if err != nil {
			return
		}
		again, err := ParseProposal(proto, p.String())
		if err != nil || !slices.Equal(again.Transforms, p.Transforms) {
			t.Fatalf("%q prints as %q, which reads as %v, %v", s, p, again, err)
		}
		suite, _, err := Match(proto, []Proposal{p}, []Proposal{again})
		if err != nil {
			t.Fatalf("%q does not match itself: %v", s, err)
		}
		if _, err := ParseProposal(proto, suite.String()); err != nil {
			t.Fatalf("suite %s of %q is no proposal: %v", suite, s, err)
		}
	})
}
