package gcm

import (
	"crypto/fips140"
	"slices"
	"strings"
	"testing"
)

func TestUse(t *testing.T) {
	before := Implementation()
	defer func() {
		if err := Use(before); err != nil {
			t.Fatal(err)
		}
	}()
	names := Implementations()
	if names[len(names)-1] != "crypto/cipher" {
		t.Fatalf("the last of %q is not what every machine has", names)
	}
	if fast := !fips140.Enabled(); fast && before != names[0] || !fast && before != "crypto/cipher" {
		t.Errorf("%q is in use of %q", before, names)
	}
	for _, name := range names {
		if err := Use(name); err != nil {
			t.Fatal(err)
		}
		k, err := NewKey(make([]byte, 16))
		if err != nil {
			t.Fatal(err)
		}
		if Implementation() != name || k.Implementation() != name {
			t.Errorf("Use(%q): now %q, the key has %q", name, Implementation(), k.Implementation())
		}
	}
	err := Use("des")
	if err == nil || !strings.Contains(err.Error(), strings.Join(names, ", ")) {
		t.Errorf("Use of what does not exist: %v", err)
	}
	if !slices.Contains(names, Implementation()) {
		t.Errorf("a failed Use left %q", Implementation())
	}
}

func TestInitial(t *testing.T) {
	forms := []form{avx512, avx2, portable}
	if got := initial(forms, false); got != avx512 {
		t.Errorf("at first %v", got)
	}
	if got := initial(forms, true); got != portable {
		t.Errorf("with FIPS 140 at first %v", got)
	}
}
