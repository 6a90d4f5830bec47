package keymat

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"causeway/ike/transform"
)

// vector is one section of testdata/ikev2_kdf.txt.
type vector struct {
	name   string
	prf    *transform.PRF
	fields map[string][]byte
}

func (v *vector) bytes(t *testing.T, name string) []byte {
	t.Helper()
	b, ok := v.fields[name]
	if !ok {
		t.Fatalf("%s has no %s", v.name, name)
	}
	return b
}

func (v *vector) spi(t *testing.T, name string) uint64 {
	return binary.BigEndian.Uint64(v.bytes(t, name))
}

func vectors(t *testing.T) []*vector {
	t.Helper()
	f, err := os.Open("testdata/ikev2_kdf.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []*vector
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		line := scanner.Text()
		name, value, _ := strings.Cut(line, " ")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			out = append(out, &vector{name: strings.Trim(line, "[]"), fields: map[string][]byte{}})
		case name == "prf":
			id, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				t.Fatal(err)
			}
			if out[len(out)-1].prf, err = transform.NewPRF(uint16(id)); err != nil {
				t.Fatal(err)
			}
		default:
			b, err := hex.DecodeString(value)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			out[len(out)-1].fields[name] = b
		}
	}
	if len(out) < 2 {
		t.Fatalf("%d vectors", len(out))
	}
	return out
}

func TestPublishedVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			field := func(name string) []byte { return v.bytes(t, name) }
			ni, nr, skd := field("ni"), field("nr"), field("skd")
			want := func(name string, got []byte) {
				t.Helper()
				if !bytes.Equal(got, field(name)) {
					t.Errorf("%s is %x", name, got)
				}
			}
			want("skeyseed", SKEYSEED(v.prf, ni, nr, field("shared")))
			want("rekey", SKEYSEEDRekey(v.prf, skd, field("newshared"), ni, nr))

			seed := concat(ni, nr, field("spii"), field("spir"))
			want("dkm", PRFPlus(v.prf, field("skeyseed"), seed, len(field("dkm"))))
			if v.fields["child"] == nil {
				return // CAVP has none
			}
			want("child", PRFPlus(v.prf, skd, concat(ni, nr), len(field("child"))))
			want("childdh", PRFPlus(v.prf, skd, concat(field("newshared"), ni, nr), len(field("childdh"))))
		})
	}
}

// suiteFor is an IKE suite with the PRF of a vector.
func suiteFor(t *testing.T, proto transform.Protocol, text string) transform.Suite {
	t.Helper()
	p, err := transform.ParseProposal(proto, text)
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := transform.Match(proto, []transform.Proposal{p}, []transform.Proposal{p})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDeriveIKE cuts the vectors' streams into the seven keys, with and without
// integrity keys.
func TestDeriveIKE(t *testing.T) {
	for _, v := range vectors(t) {
		hash := map[uint16]string{2: "sha1", 5: "sha256", 7: "sha512"}[v.prf.ID()]
		for _, text := range []string{"aes256-" + hash + "-ecp256", "aes128gcm16-prf" + hash + "-ecp256"} {
			suite := suiteFor(t, transform.IKE, text)
			k := DeriveIKE(suite, v.bytes(t, "skeyseed"), v.bytes(t, "ni"), v.bytes(t, "nr"), v.spi(t, "spii"), v.spi(t, "spir"))
			p, a, e := v.prf.Size(), suite.IntegrityKeyLen(), suite.EncryptionKeyLen()
			dkm := v.bytes(t, "dkm")
			parts := []struct {
				name string
				got  []byte
				n    int
			}{{"D", k.D, p}, {"AI", k.AI, a}, {"AR", k.AR, a}, {"EI", k.EI, e}, {"ER", k.ER, e}, {"PI", k.PI, p}, {"PR", k.PR, p}}
			for _, part := range parts {
				n := min(part.n, len(dkm)) // the published stream may end within the last keys
				if len(part.got) != part.n || !bytes.Equal(part.got[:n], dkm[:n]) {
					t.Errorf("%s, %s: SK_%s is %x", v.name, text, part.name, part.got)
				}
				dkm = dkm[n:]
			}
		}
	}
}

func TestDeriveChild(t *testing.T) {
	for _, v := range vectors(t)[:2] { // those with KEYMAT
		for _, text := range []string{"aes256gcm16", "aes128gcm16-esn", "aes256-sha256", "aes128-sha1"} {
			suite := suiteFor(t, transform.ESP, text)
			for field, shared := range map[string][]byte{"child": nil, "childdh": v.bytes(t, "newshared")} {
				k := DeriveChild(suite, v.prf, v.bytes(t, "skd"), shared, v.bytes(t, "ni"), v.bytes(t, "nr"))
				got := concat(k.EncryptionI, k.IntegrityI, k.EncryptionR, k.IntegrityR)
				e, a := suite.EncryptionKeyLen(), suite.IntegrityKeyLen()
				if !bytes.Equal(got, v.bytes(t, field)[:2*e+2*a]) {
					t.Errorf("%s, %s, %s: %x", v.name, text, field, got)
				}
				if len(k.EncryptionI) != e || len(k.EncryptionR) != e || len(k.IntegrityI) != a || len(k.IntegrityR) != a {
					t.Errorf("%s: keys of %d, %d, %d, %d octets", text, len(k.EncryptionI), len(k.IntegrityI), len(k.EncryptionR), len(k.IntegrityR))
				}
			}
		}
	}
}

func TestPRFPlusLengths(t *testing.T) {
	prf, err := transform.NewPRF(transform.PRFHMACSHA256)
	if err != nil {
		t.Fatal(err)
	}
	whole := PRFPlus(prf, []byte("key"), []byte("seed"), 255*32)
	for _, n := range []int{0, 1, 31, 32, 33, 64, 100, 255 * 32} {
		got := PRFPlus(prf, []byte("key"), []byte("seed"), n)
		if !bytes.Equal(got, whole[:n]) || len(got) != cap(got) {
			t.Errorf("%d octets: %d of capacity %d", n, len(got), cap(got))
		}
	}
	// T1 = prf(K, S | 0x01), T2 = prf(K, T1 | S | 0x02) (RFC 7296 §2.13).
	t1 := prf.Sum(nil, []byte("key"), []byte("seed\x01"))
	t2 := prf.Sum(nil, []byte("key"), t1, []byte("seed\x02"))
	if !bytes.Equal(whole[:64], concat(t1, t2)) {
		t.Error("prf+ is not T1 | T2 | ...")
	}
	defer func() {
		if recover() == nil {
			t.Error("a 256th block was made")
		}
	}()
	PRFPlus(prf, nil, nil, 255*32+1)
}

func TestDeriveIKEPanicsForAnUnknownPRF(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("keys were derived without a PRF")
		}
	}()
	DeriveIKE(transform.Suite{}, nil, nil, nil, 0, 0)
}

func TestSignedOctets(t *testing.T) {
	prf, err := transform.NewPRF(transform.PRFHMACSHA384)
	if err != nil {
		t.Fatal(err)
	}
	message := append(make([]byte, 0, 100), "message"...)
	got := SignedOctets(message, []byte("nonce"), prf, []byte("skp"), []byte("id"))
	want := append([]byte("messagenonce"), prf.Sum(nil, []byte("skp"), []byte("id"))...)
	if !bytes.Equal(got, want) {
		t.Errorf("%x", got)
	}
	if tail := message[:cap(message)][7:12]; !bytes.Equal(tail, make([]byte, 5)) {
		t.Error("the memory behind the message was written to")
	}
}

func TestErase(t *testing.T) {
	v := vectors(t)[0]
	k := DeriveIKE(suiteFor(t, transform.IKE, "aes256-sha256-ecp256"), v.bytes(t, "skeyseed"), v.bytes(t, "ni"), v.bytes(t, "nr"), 1, 2)
	c := DeriveChild(suiteFor(t, transform.ESP, "aes256-sha256"), v.prf, k.D, nil, v.bytes(t, "ni"), v.bytes(t, "nr"))
	keys := [][]byte{k.D, k.AI, k.AR, k.EI, k.ER, k.PI, k.PR, c.EncryptionI, c.EncryptionR, c.IntegrityI, c.IntegrityR}
	k.Erase()
	c.Erase()
	for i, key := range keys {
		if len(key) == 0 || !bytes.Equal(key, make([]byte, len(key))) {
			t.Errorf("key %d is %x after Erase", i, key)
		}
	}
	if k.D != nil || c.EncryptionI != nil {
		t.Error("erased keys are still there")
	}
}

// The seed of a resumed IKE SA is of SK_d and both nonces, behind ten ASCII characters
// without an end (RFC 5723 §5.1).
func TestSKEYSEEDResumed(t *testing.T) {
	prf, err := transform.NewPRF(transform.PRFHMACSHA256)
	if err != nil {
		t.Fatal(err)
	}
	skd, ni, nr := bytes.Repeat([]byte{1}, 32), []byte("nonce of the initiator"), []byte("nonce of the responder")
	mac := hmac.New(sha256.New, skd)
	mac.Write([]byte("Resumption" + string(ni) + string(nr)))
	if got := SKEYSEEDResumed(prf, skd, ni, nr); !bytes.Equal(got, mac.Sum(nil)) {
		t.Errorf("got %x, want %x", got, mac.Sum(nil))
	}
}

// KEYMAT of several key exchanges is that of the first secret, the nonces and the other
// secrets in their order (RFC 9370 §2.2.4).
func TestDeriveChildOfSeveralSecrets(t *testing.T) {
	prf, err := transform.NewPRF(transform.PRFHMACSHA256)
	if err != nil {
		t.Fatal(err)
	}
	suite := suiteFor(t, transform.ESP, "aes256-sha256")
	k := DeriveChild(suite, prf, []byte("SK_d"), []byte("first "), []byte("Ni "), []byte("Nr "), []byte("second "), []byte("third"))
	want := PRFPlus(prf, []byte("SK_d"), []byte("first Ni Nr second third"), 2*32+2*32)
	if got := concat(k.EncryptionI, k.IntegrityI, k.EncryptionR, k.IntegrityR); !bytes.Equal(got, want) {
		t.Errorf("KEYMAT is %x, not %x", got, want)
	}
}
