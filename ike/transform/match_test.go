package transform

import (
	"errors"
	"slices"
	"testing"
)

func list(t testing.TB, proto Protocol, ss ...string) []Proposal {
	t.Helper()
	var out []Proposal
	for _, s := range ss {
		out = append(out, must(t, proto, s))
	}
	return out
}

func TestMatch(t *testing.T) {
	tests := []struct {
		name             string
		proto            Protocol
		offered, allowed []string
		want             string
		index            int
	}{
		{"the same", IKE, []string{"aes256-sha256-modp2048"}, []string{"aes256-sha256-modp2048"}, "aes256-sha256-modp2048", 0},
		{"our order of transforms", IKE, []string{"aes128-aes256-sha256-sha512-modp2048-ecp256"},
			[]string{"aes256-aes128-sha512-sha256-ecp256-modp2048"}, "aes256-sha512-ecp256", 0},
		{"our order of proposals", IKE, []string{"aes128-sha256-modp2048", "aes256gcm16-prfsha384-ecp384"},
			[]string{"aes256gcm16-prfsha384-ecp384", "aes128-sha256-modp2048"}, "aes256gcm16-prfsha384-ecp384", 1},
		{"second of ours", IKE, []string{"aes128-sha256-modp2048"},
			[]string{"aes256gcm16-prfsha384-ecp384", "aes128-sha256-modp2048"}, "aes128-sha256-modp2048", 0},
		{"another prf than the integrity", IKE, []string{"aes128-sha256-prfsha512-modp2048"},
			[]string{"aes128-sha256-prfsha512-prfsha256-modp2048"}, "aes128-sha256-prfsha512-modp2048", 0},
		{"legacy when configured", IKE, []string{"aes128-sha1-modp1024"}, []string{"aes128-sha1-modp1024"}, "aes128-sha1-modp1024", 0},
		{"esp", ESP, []string{"aes256gcm16"}, []string{"aes256gcm16"}, "aes256gcm16", 0},
		{"esn preferred", ESP, []string{"aes256gcm16-noesn-esn"}, []string{"aes256gcm16-esn-noesn"}, "aes256gcm16-esn", 0},
		{"pfs", ESP, []string{"aes256gcm16-ecp256-ecp384"}, []string{"aes256gcm16-ecp384"}, "aes256gcm16-ecp384", 0},
		{"optional pfs here, none there", ESP, []string{"aes256gcm16"}, []string{"aes256gcm16-ecp384-none"}, "aes256gcm16", 0},
		{"optional pfs there, none here", ESP, []string{"aes256gcm16-ecp384-none"}, []string{"aes256gcm16"}, "aes256gcm16", 0},
		{"optional pfs on both sides", ESP, []string{"aes256gcm16-ecp384-none"}, []string{"aes256gcm16-ecp384-none"}, "aes256gcm16-ecp384", 0},
		{"none preferred here", ESP, []string{"aes256gcm16-ecp384-none"}, []string{"aes256gcm16-none-ecp384"}, "aes256gcm16", 0},
		{"none impossible there", ESP, []string{"aes256gcm16-ecp384"}, []string{"aes256gcm16-none-ecp384"}, "aes256gcm16-ecp384", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, i, err := Match(tt.proto, list(t, tt.proto, tt.offered...), list(t, tt.proto, tt.allowed...))
			if err != nil {
				t.Fatalf("%+v", err)
			}
			if s.String() != tt.want || i != tt.index || s.Protocol != tt.proto {
				t.Errorf("%s of offer %d, want %s of %d", s, i, tt.want, tt.index)
			}
		})
	}
}

func TestNoMatch(t *testing.T) {
	tests := []struct {
		name             string
		proto            Protocol
		offered, allowed []string
		missing          []Type
	}{
		{"key length", IKE, []string{"aes128-sha256-modp2048"}, []string{"aes256-sha256-modp2048"}, []Type{Encryption}},
		{"group", IKE, []string{"aes256-sha256-modp2048"}, []string{"aes256-sha256-ecp256"}, []Type{KeyExchange}},
		{"prf", IKE, []string{"aes256gcm16-prfsha256-ecp256"}, []string{"aes256gcm16-prfsha384-ecp256"}, []Type{PseudoRandom}},
		{"integrity", IKE, []string{"aes256-sha512-prfsha256-ecp256"}, []string{"aes256-sha256-ecp256"}, []Type{Integrity}},
		{"the closest pair counts", IKE, []string{"aes256-sha512-modp3072", "aes256-sha256-modp3072"},
			[]string{"aes256gcm16-prfsha384-ecp384", "aes256-sha256-ecp256"}, []Type{KeyExchange}},
		{"esn", ESP, []string{"aes256gcm16"}, []string{"aes256gcm16-esn"}, []Type{SequenceNumbers}},
		{"pfs demanded here", ESP, []string{"aes256gcm16"}, []string{"aes256gcm16-ecp384"}, []Type{KeyExchange}},
		{"pfs demanded there", ESP, []string{"aes256gcm16-ecp384"}, []string{"aes256gcm16"}, []Type{KeyExchange}},
		{"cipher and integrity", ESP, []string{"aes256-sha256"}, []string{"aes256gcm16"}, []Type{Encryption}},
		{"nothing offered", ESP, nil, []string{"aes256gcm16"}, nil},
		{"nothing allowed", ESP, []string{"aes256gcm16"}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, i, err := Match(tt.proto, list(t, tt.proto, tt.offered...), list(t, tt.proto, tt.allowed...))
			var m *MismatchError
			if !errors.As(err, &m) || i != -1 || s != (Suite{}) {
				t.Fatalf("%v of %d, %v", s, i, err)
			}
			if !slices.Equal(m.Missing, tt.missing) {
				t.Errorf("missing %v, want %v", m.Missing, tt.missing)
			}
		})
	}
}

// TestMatchRawOffers has offers that no keyword spells: what strangers send.
func TestMatchRawOffers(t *testing.T) {
	cbc, gcm := Transform{Encryption, AESCBC, 256}, Transform{Encryption, AESGCM16, 256}
	prf, mac := Transform{PseudoRandom, PRFHMACSHA256, 0}, Transform{Integrity, HMACSHA256128, 0}
	group, none := Transform{KeyExchange, MODP2048, 0}, Transform{KeyExchange, GroupNone, 0}
	noInteg, noESN := Transform{Integrity, IntegrityNone, 0}, Transform{SequenceNumbers, NoESN, 0}
	gcmIKE, cbcIKE := "aes256gcm16-prfsha256-modp2048", "aes256-sha256-modp2048"
	tests := []struct {
		name    string
		proto   Protocol
		offered []Transform
		allowed string
		ok      bool
	}{
		{"integrity NONE beside an AEAD", IKE, []Transform{gcm, prf, noInteg, group}, gcmIKE, true},
		{"integrity beside an AEAD", IKE, []Transform{gcm, prf, mac, group}, gcmIKE, false},
		{"integrity or NONE beside an AEAD", IKE, []Transform{gcm, prf, mac, noInteg, group}, gcmIKE, true},
		{"AEAD and others mixed", IKE, []Transform{gcm, cbc, prf, mac, group}, cbcIKE, true},
		{"no integrity without an AEAD", IKE, []Transform{cbc, prf, group}, cbcIKE, false},
		{"integrity NONE without an AEAD", IKE, []Transform{cbc, prf, noInteg, group}, cbcIKE, false},
		{"key length of ChaCha20-Poly1305", ESP, []Transform{{Encryption, ChaCha20Poly1305, 256}, noESN}, "chacha20poly1305", false},
		{"NULL without integrity", ESP, []Transform{{Encryption, Null, 0}, noESN}, "null-sha256", false},
		{"GMAC with integrity NONE", ESP, []Transform{{Encryption, AESGMAC, 128}, noInteg, noESN}, "aes128gmac", true},
		{"no prf", IKE, []Transform{cbc, mac, group}, cbcIKE, false},
		{"no group", IKE, []Transform{cbc, prf, mac}, cbcIKE, false},
		{"group NONE in IKE", IKE, []Transform{cbc, prf, mac, none}, cbcIKE, false},
		{"group NONE beside a group in IKE", IKE, []Transform{cbc, prf, mac, none, group}, cbcIKE, true},
		{"no encryption", IKE, []Transform{prf, mac, group}, cbcIKE, false},
		{"unknown transform ID beside a known one", IKE, []Transform{{Encryption, 999, 0}, cbc, prf, mac, group}, cbcIKE, true},
		{"unknown transform type", IKE, []Transform{cbc, prf, mac, group, {6, 35, 0}}, cbcIKE, false},
		{"unknown transform type with the ID 0", IKE, []Transform{cbc, prf, mac, group, {200, 0, 0}}, cbcIKE, false},
		{"sequence numbers in IKE", IKE, []Transform{cbc, prf, mac, group, noESN}, cbcIKE, false},
		{"no key length", IKE, []Transform{{Encryption, AESCBC, 0}, prf, mac, group}, cbcIKE, false},
		{"key length of an HMAC", IKE, []Transform{cbc, prf, {Integrity, HMACSHA256128, 256}, group}, cbcIKE, false},
		{"no sequence numbers in ESP", ESP, []Transform{gcm}, "aes256gcm16", false},
		{"group NONE only", ESP, []Transform{gcm, none, noESN}, "aes256gcm16", true},
		{"group NONE only, pfs demanded", ESP, []Transform{gcm, none, noESN}, "aes256gcm16-modp2048", false},
		{"integrity NONE in ESP", ESP, []Transform{gcm, noInteg, noESN}, "aes256gcm16", true},
		{"prf in ESP", ESP, []Transform{gcm, prf, noESN}, "aes256gcm16", false},
		{"empty", ESP, nil, "aes256gcm16", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			offer := Proposal{tt.proto, tt.offered}
			s, _, err := Match(tt.proto, []Proposal{offer}, list(t, tt.proto, tt.allowed))
			if (err == nil) != tt.ok {
				t.Fatalf("%s: %v", offer, err)
			}
			if err == nil && s.String() != tt.allowed {
				t.Errorf("the suite is %s", s)
			}
		})
	}
	other := Proposal{AH, []Transform{gcm, noESN}}
	if _, _, err := Match(ESP, []Proposal{other}, list(t, ESP, "aes256gcm16")); err == nil {
		t.Error("a proposal of another protocol matched")
	}
	bare := []Proposal{{ESP, []Transform{gcm}}}
	if _, _, err := Match(ESP, bare, bare); err == nil {
		t.Error("ESP without a word on sequence numbers matched")
	}
}

func TestMatchIgnoringGroup(t *testing.T) {
	allowed := list(t, ESP, "aes256gcm16-ecp384")
	for _, offer := range []string{"aes256gcm16", "aes256gcm16-modp2048", "aes256gcm16-ecp384", "aes256gcm16-modp2048-none"} {
		s, i, err := MatchIgnoringGroup(ESP, list(t, ESP, offer), allowed)
		if err != nil || i != 0 || s.String() != "aes256gcm16" || s.Group != (Transform{}) {
			t.Errorf("%s: %v, %v", offer, s, err)
		}
	}
	if _, _, err := MatchIgnoringGroup(ESP, list(t, ESP, "aes128gcm16"), allowed); err == nil {
		t.Error("another cipher matched")
	}
}

func TestMatchPreferringGroup(t *testing.T) {
	offered := list(t, IKE, "aes256gcm16-prfsha256-modp2048-ecp256-ecp384")
	allowed := list(t, IKE, "aes256gcm16-prfsha256-ecp384-ecp256")
	for group, want := range map[uint16]string{
		ECP256: "aes256gcm16-prfsha256-ecp256", ECP384: "aes256gcm16-prfsha256-ecp384",
		MODP2048: "aes256gcm16-prfsha256-ecp384", GroupNone: "aes256gcm16-prfsha256-ecp384",
	} {
		if s, _, err := MatchPreferringGroup(IKE, offered, allowed, group); err != nil || s.String() != want {
			t.Errorf("group %d: %v, %v", group, s, err)
		}
	}
}

func TestConfirm(t *testing.T) {
	offered := list(t, IKE, "aes256gcm16-aes128gcm16-prfsha384-ecp384", "aes256-sha256-modp2048")
	for _, ok := range []string{"aes128gcm16-prfsha384-ecp384", "aes256-sha256-modp2048"} {
		if s, err := Confirm(IKE, must(t, IKE, ok), offered); err != nil || s.String() != ok {
			t.Errorf("%s: %v, %v", ok, s, err)
		}
	}
	for _, bad := range []string{
		"aes256gcm16-aes128gcm16-prfsha384-ecp384", // two of one type
		"aes256gcm16-prfsha384-modp2048",           // from two proposals
		"aes256-sha512-modp2048",                   // not offered
	} {
		if s, err := Confirm(IKE, must(t, IKE, bad), offered); err == nil {
			t.Errorf("%s was taken as %s", bad, s)
		}
	}
	twice := must(t, IKE, "aes256-sha256-modp2048")
	twice.Transforms = append(slices.Clone(twice.Transforms), twice.Transforms[0])
	if s, err := Confirm(IKE, twice, offered); err == nil {
		t.Errorf("an answer with one transform twice was taken as %s", s)
	}
	optional := list(t, ESP, "aes256gcm16-ecp384-none")
	answer := Suite{Protocol: ESP, Encryption: Transform{Encryption, AESGCM16, 256}}.Answer(optional[0])
	if s, err := Confirm(ESP, answer, optional); err != nil || s.Group != (Transform{}) || answer.of(KeyExchange) == nil {
		t.Errorf("answer %v: %v, %v", answer.Transforms, s, err)
	}
}

func TestSuite(t *testing.T) {
	tests := []struct {
		proto       Protocol
		text        string
		encr, integ int
		aead        bool
	}{
		{IKE, "aes256gcm16-prfsha384-ecp384", 36, 0, true},
		{IKE, "aes128gcm16-prfsha384-ecp384", 20, 0, true},
		{ESP, "aes192gcm16-esn", 28, 0, true},
		{ESP, "aes128-sha1", 16, 20, false},
		{ESP, "aes128gcm8", 20, 0, true},
		{ESP, "aes128ccm16", 19, 0, true},
		{ESP, "aes256ccm8-esn", 35, 0, true},
		{IKE, "aes192ccm12-prfsha256-modp2048", 27, 0, true},
		{ESP, "chacha20poly1305", 36, 0, true},
		{IKE, "chacha20poly1305-prfsha256-x25519", 36, 0, true},
		{ESP, "aes192gmac", 28, 0, true},
		{ESP, "null-sha256", 0, 32, false},
		{ESP, "aes192-sha256-modp2048", 24, 32, false},
		{IKE, "aes256-sha384-modp2048", 32, 48, false},
		{IKE, "aes256-sha512-prfsha256-modp2048", 32, 64, false},
	}
	for _, tt := range tests {
		p := must(t, tt.proto, tt.text)
		s, _, err := Match(tt.proto, []Proposal{p}, []Proposal{p})
		if err != nil {
			t.Fatal(err)
		}
		if s.String() != tt.text || s.EncryptionKeyLen() != tt.encr || s.IntegrityKeyLen() != tt.integ || s.AEAD() != tt.aead {
			t.Errorf("%s: %d, %d, %v", s, s.EncryptionKeyLen(), s.IntegrityKeyLen(), s.AEAD())
		}
		if !slices.Equal(s.Proposal().Transforms, p.Transforms) {
			t.Errorf("%s: the proposal is %v", s, s.Proposal().Transforms)
		}
	}
}

// TestDefaultsMatchPeers has what peers offer that people connect to, as
// configurations of strongSwan and cloud gateways spell it.
func TestDefaultsMatchPeers(t *testing.T) {
	for _, offer := range []string{
		"aes256gcm16-prfsha384-ecp384", // the example of the documentation; Azure custom policy
		"aes256-sha256-modp2048",       // widespread; Azure custom policy, AWS, GCP
		"aes128-sha256-modp2048",       // AWS
		"aes256-sha384-ecp384",         // Azure custom policy, Azure Stack Hub
		"aes128-sha256-x25519",         // strongSwan's documentation
		"aes128-aes192-aes256-sha256-sha384-sha512-sha1-prfsha256-prfsha384-prfsha512-prfsha1-ecp256-ecp384-ecp521-x25519-modp3072-modp4096-modp6144-modp8192-modp2048",
	} {
		if s, _, err := Match(IKE, list(t, IKE, offer), DefaultIKEProposals()); err != nil || s.Proposal().legacy() {
			t.Errorf("%s: %v, %v", offer, s, err)
		}
	}
	for _, offer := range []string{
		"aes256gcm16", "aes128gcm16-aes192gcm16-aes256gcm16", "aes256-sha256", "aes128-sha256-modp2048", "aes256gcm16-ecp384",
		"aes128-aes192-aes256-sha256-sha384-sha512-sha1", "aes256gcm16-esn-noesn-ecp256-none",
	} {
		if s, _, err := Match(ESP, list(t, ESP, offer), DefaultESPProposals()); err != nil || s.Proposal().legacy() {
			t.Errorf("%s: %v, %v", offer, s, err)
		}
	}
	for _, legacy := range []string{"aes256-sha1-modp2048", "aes256-sha256-modp1024"} {
		if s, _, err := Match(IKE, list(t, IKE, legacy), DefaultIKEProposals()); err == nil {
			t.Errorf("%s is accepted by default as %s", legacy, s)
		}
	}
	if s, _, err := Match(ESP, DefaultESPProposals(), DefaultESPProposals()); err != nil || s.String() != "aes256gcm16-ecp384-esn" {
		t.Errorf("two gateways with defaults choose %s, %v", s, err)
	}
	if s, _, err := Match(IKE, DefaultIKEProposals(), DefaultIKEProposals()); err != nil || s.String() != "aes256gcm16-prfsha384-ecp384" {
		t.Errorf("two gateways with defaults choose %s, %v", s, err)
	}
}

func TestGroupsOfProposals(t *testing.T) {
	ps := list(t, ESP, "aes256gcm16-ecp384-modp2048-none", "aes128gcm16-ecp256-ecp384", "aes256-sha256")
	if got := Groups(ps); !slices.Equal(got, []uint16{ECP384, MODP2048, ECP256}) {
		t.Errorf("groups %v", got)
	}
	var texts []string
	for _, p := range PreferGroup(ps, ECP256) {
		texts = append(texts, p.String())
	}
	if want := []string{"aes128gcm16-ecp256-ecp384", "aes256gcm16-ecp384-modp2048-none", "aes256-sha256"}; !slices.Equal(texts, want) {
		t.Errorf("preferring ecp256: %v", texts)
	}
	if got := PreferGroup(ps, MODP2048)[0].String(); got != "aes256gcm16-modp2048-ecp384-none" {
		t.Errorf("preferring modp2048: %s first", got)
	}
	if ps[0].String() != "aes256gcm16-ecp384-modp2048-none" {
		t.Error("PreferGroup changed its argument")
	}
	stripped := WithoutGroups(append(ps, must(t, ESP, "aes256gcm16")))
	if len(stripped) != 3 || Groups(stripped) != nil {
		t.Errorf("without groups: %v", stripped)
	}
}
