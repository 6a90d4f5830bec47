package gcm

import (
	"crypto/fips140"
	"fmt"
	"strings"
	"sync/atomic"
)

// form is a way to compute AES-GCM.
type form uint32

const (
	erased form = iota // of a Key that was
	portable
	avx2
	avx512
)

// String names the form as `causeway version` shows it.
func (f form) String() string {
	switch f {
	case portable:
		return "crypto/cipher"
	case avx2:
		return "vaes-avx2"
	case avx512:
		return "vaes-avx512"
	}
	return "erased"
}

// inUse is the form of keys made from now on.
var inUse atomic.Uint32

func init() { inUse.Store(uint32(initial(supported(), fips140.Enabled()))) }

// initial is the fastest form, but the one that is validated when the program
// was told to use only what is (GODEBUG=fips140=on).
func initial(forms []form, validated bool) form {
	if validated {
		return forms[len(forms)-1]
	}
	return forms[0]
}

// Implementation names the form of keys made from now on.
func Implementation() string { return form(inUse.Load()).String() }

// Implementations names the forms that this processor, its operating system
// and this build allow, the fastest first. crypto/cipher is always the last.
func Implementations() []string {
	var names []string
	for _, f := range supported() {
		names = append(names, f.String())
	}
	return names
}

// Use chooses the form of keys made from now on by its name. Keys that exist
// keep theirs.
func Use(name string) error {
	for _, f := range supported() {
		if f.String() == name {
			inUse.Store(uint32(f))
			return nil
		}
	}
	return fmt.Errorf("gcm: %q cannot be used on this machine: choose from %s", name, strings.Join(Implementations(), ", "))
}
