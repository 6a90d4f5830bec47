package transform

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"testing"

	"causeway/test/vectors"
)

// TestWycheproof has the vectors for key exchanges and PRFs.
func TestWycheproof(t *testing.T) {
	seen := map[string]int{}
	for at, f := range vectors.Lines(t, "testdata/wycheproof.txt") {
		var ok bool
		switch f[0] {
		case "decaps":
			ok = decapsVector(t, f[1:])
		case "encaps":
			ok = encapsVector(t, f[1:])
		case "x448":
			ok = x448Vector(t, f[1:])
		case "dh":
			ok = curveVector(t, f[1:])
		case "hmac":
			ok = hmacVector(t, f[1:])
		}
		if !ok {
			t.Errorf("%s: a vector of %s", at, f[0])
		}
		seen[f[0]]++
	}
	for kind, least := range map[string]int{"decaps": 20, "encaps": 20, "x448": 40, "dh": 150, "hmac": 100} {
		if seen[kind] < least {
			t.Errorf("only %d vectors of %s", seen[kind], kind)
		}
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
	g, seed, valid := kemOf(t, f[0]), vectors.Bytes(t, f[1]), f[5] == "valid"
	if len(seed) != kemSeedLen {
		return !valid
	}
	key, err := g.Generate(bytes.NewReader(seed))
	if err != nil {
		return !valid
	}
	shared, err := key.Shared(vectors.Bytes(t, f[3]))
	if err != nil || !valid {
		return err != nil && !valid
	}
	return equal(shared, f[4]) && (f[2] == "-" || equal(key.Public(), f[2]))
}

func encapsVector(t *testing.T, f []string) bool {
	g, valid := kemOf(t, f[0]), f[5] == "valid"
	key, err := g.Answer(bytes.NewReader(vectors.Bytes(t, f[2])), vectors.Bytes(t, f[1]))
	if err != nil || !valid {
		return err != nil && !valid
	}
	shared, err := key.Shared(vectors.Bytes(t, f[1]))
	return err == nil && equal(key.Public(), f[3]) && equal(shared, f[4])
}

func x448Vector(t *testing.T, f []string) bool {
	key, err := x448Group{}.Generate(bytes.NewReader(vectors.Bytes(t, f[0])))
	if err != nil {
		return f[3] == "invalid"
	}
	shared, err := key.Shared(vectors.Bytes(t, f[1]))
	// RFC 8031 §2.3 refuses what Wycheproof leaves open: a secret of zeros.
	refuse := f[3] == "invalid" || strings.Trim(f[2], "0") == ""
	if refuse || err != nil {
		return refuse && errors.Is(err, ErrPublicValue)
	}
	return equal(shared, f[2])
}

func curveVector(t *testing.T, f []string) bool {
	id, err := strconv.Atoi(f[0])
	if err != nil || curveGroups[uint16(id)] == nil {
		t.Fatalf("no such group: %s", f[0])
	}
	key, err := curveGroups[uint16(id)].Generate(bytes.NewReader(vectors.Bytes(t, f[1])))
	if err != nil {
		return f[4] == "invalid"
	}
	shared, err := key.Shared(vectors.Bytes(t, f[2]))
	// As with X448: what Wycheproof leaves open and is a secret of zeros is refused.
	refuse := f[4] == "invalid" || uint16(id) == X25519 && strings.Trim(f[3], "0") == ""
	if refuse || err != nil {
		return refuse && err != nil
	}
	return equal(shared, f[3])
}

// hmacVector holds the PRF, of which an integrity algorithm takes the beginning.
func hmacVector(t *testing.T, f []string) bool {
	p, err := NewPRF(map[string]uint16{"1": PRFHMACSHA1, "256": PRFHMACSHA256, "384": PRFHMACSHA384, "512": PRFHMACSHA512}[f[0]])
	if err != nil {
		t.Fatal(err)
	}
	tag := vectors.Bytes(t, f[3])
	got := p.Sum(nil, vectors.Bytes(t, f[1]), vectors.Bytes(t, f[2]))
	return bytes.Equal(got[:len(tag)], tag) == (f[4] == "valid")
}

// equal compares a value with one of a vector, or with its hash.
func equal(got []byte, want string) bool {
	if hash, ok := strings.CutPrefix(want, "="); ok {
		sum := sha256.Sum256(got)
		return hex.EncodeToString(sum[:]) == hash
	}
	return hex.EncodeToString(got) == want
}
