package gateway

import (
	"bytes"
	"strings"
	"testing"

	"causeway/esp"
	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// suites are all that transform can negotiate for ESP.
func suites(t *testing.T) []transform.Suite {
	t.Helper()
	var ciphers, integrities []string
	for _, k := range transform.KeywordTable(transform.ESP) {
		switch k.Transform.Type {
		case transform.Encryption:
			ciphers = append(ciphers, k.Name)
		case transform.Integrity:
			integrities = append(integrities, k.Name)
		}
	}
	var out []transform.Suite
	for _, cipher := range ciphers {
		for _, integrity := range append(integrities, "") {
			for _, esn := range []string{"-esn", "-noesn"} {
				words := cipher + esn
				if integrity != "" {
					words = cipher + "-" + integrity + esn
				}
				p, err := transform.ParseProposal(transform.ESP, words)
				if err != nil {
					continue // AEAD with integrity, or neither
				}
				offer := []transform.Proposal{p}
				s, _, err := transform.MatchIgnoringGroup(transform.ESP, offer, offer)
				if err != nil {
					t.Fatalf("%s: %v", words, err)
				}
				out = append(out, s)
			}
		}
	}
	if want := (3*6 + 1 + 3 + 4*4) * 2; len(out) < want {
		t.Fatalf("%d suites, want at least %d", len(out), want)
	}
	return out
}

// TestEverySuiteCarriesPackets: whatever IKE negotiates, ESP can do, and both
// ends mean the same.
func TestEverySuiteCarriesPackets(t *testing.T) {
	for _, s := range suites(t) {
		secret := func(n int, seed byte) auth.Secret {
			b := bytes.Repeat([]byte{seed}, n)
			for i := range b {
				b[i] += byte(i) << 2 // 3DES refuses keys that repeat
			}
			return auth.NewSecret(b)
		}
		encAB, encBA := secret(s.EncryptionKeyLen(), 1), secret(s.EncryptionKeyLen(), 2)
		intAB, intBA := secret(s.IntegrityKeyLen(), 3), secret(s.IntegrityKeyLen(), 4)
		limits := sa.Lifetime{Bytes: 1 << 30, Packets: 1 << 20}
		a := &sa.Child{SPIIn: 0xa0000001, SPIOut: 0xb0000001, Suite: s, EncryptionIn: encBA, IntegrityIn: intBA,
			EncryptionOut: encAB, IntegrityOut: intAB, Hard: limits}
		b := &sa.Child{SPIIn: 0xb0000001, SPIOut: 0xa0000001, Suite: s, EncryptionIn: encAB, IntegrityIn: intAB,
			EncryptionOut: encBA, IntegrityOut: intBA, Hard: limits}
		crosses(t, s.String(), a, b)
		crosses(t, s.String(), b, a)
	}
}

// TestAccepts: what the data path would not install it does not accept, and it keeps
// nothing of what it was asked about.
func TestAccepts(t *testing.T) {
	d := &dataPath{replayWindows: map[string]int{"wide": esp.MaxReplayWindow + 1}}
	keyed := func(cipher uint16, bits int, encryption, salt string) *sa.Child {
		key := auth.NewSecret([]byte(encryption + salt))
		return &sa.Child{SPIIn: 0xa0000001, SPIOut: 0xb0000001, EncryptionIn: key, EncryptionOut: key,
			Suite: transform.Suite{Encryption: transform.Transform{Type: transform.Encryption, ID: cipher, KeyBits: uint16(bits)}}}
	}
	good := keyed(transform.AESGCM16, 128, "sixteen bytes of", "salt")
	if err := d.Accepts("peer", good); err != nil {
		t.Errorf("AES-GCM: %v", err)
	}
	unsent := *good
	unsent.SPIOut = 1
	for name, c := range map[string]*sa.Child{
		"an unknown cipher": keyed(4711, 128, "sixteen bytes of", "salt"),
		"a key too short":   keyed(transform.AESGCM16, 128, "short", ""),
		"a reserved SPI":    &unsent,
	} {
		if err := d.Accepts("peer", c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := d.Accepts("wide", good); err == nil {
		t.Error("a replay window that is none is accepted")
	}
	if good.EncryptionIn.IsZero() {
		t.Error("the keys were erased")
	}
}

// TestCiphersHaveTheirNames: both sides of a test mean the same by whatever is in
// the tables, so the names have to show that it is right.
func TestCiphersHaveTheirNames(t *testing.T) {
	withoutKey := strings.NewReplacer("128", "", "192", "", "256", "")
	for _, k := range transform.KeywordTable(transform.ESP) {
		var want, got string
		switch id := k.Transform.ID; k.Transform.Type {
		case transform.Encryption:
			want, got = withoutKey.Replace(k.Name), espCiphers[id].String()
			if want == "aes" {
				want = "aescbc"
			}
		case transform.Integrity:
			want, got = k.Name, espIntegrity[id].String()
		}
		if got != want {
			t.Errorf("%s is %s of esp", k.Name, got)
		}
	}
}

func crosses(t *testing.T, name string, from, to *sa.Child) {
	t.Helper()
	po, err := outboundParameters(from)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	pi, err := inboundParameters(to, 1024)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if pi.ReplayWindow != 1024 || pi.ESN != to.Suite.ESN || pi.Limits.HardBytes != to.Hard.Bytes || po.Limits.HardPackets != from.Hard.Packets {
		t.Errorf("%s: parameters %v and %v", name, pi, po)
	}
	out, err := esp.NewOutbound(po)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	in, err := esp.NewInbound(pi)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	plain := []byte("an inner packet")
	seq, _, err := out.Reserve(1, len(plain))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	packet := out.Seal(esp.NewScratch(), make([]byte, 0, 256), plain, 4, seq)
	got, next, err := in.Open(esp.NewScratch(), packet)
	if err != nil || next != 4 || !bytes.Equal(got, plain) {
		t.Errorf("%s: opened %q, next header %d, error %v", name, got, next, err)
	}
}

func TestUnknownSuiteIsRefused(t *testing.T) {
	c := &sa.Child{Suite: transform.Suite{Encryption: transform.Transform{Type: transform.Encryption, ID: 0xffff, KeyBits: 256}}}
	if _, err := inboundParameters(c, 0); err == nil {
		t.Error("an unknown cipher was taken")
	}
	c = &sa.Child{Suite: transform.Suite{
		Encryption: transform.Transform{Type: transform.Encryption, ID: transform.AESCBC, KeyBits: 256},
		Integrity:  transform.Transform{Type: transform.Integrity, ID: 0xffff},
	}}
	if _, err := outboundParameters(c); err == nil {
		t.Error("an unknown integrity algorithm was taken")
	}
}
