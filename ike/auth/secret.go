package auth

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// redacted is what a secret looks like wherever it is printed.
const redacted = "[redacted]"

// Secret is key material that no log, error, JSON or YAML ever shows. Copies
// of a Secret share one memory. The zero value is the empty secret.
type Secret struct {
	// Two pointers hide the octets even where fmt walks an unexported field by
	// reflection and so cannot call the methods below: it follows one, for verbs
	// that do not fit the type.
	material **material
}

type material struct{ octets []byte }

// NewSecret copies b.
func NewSecret(b []byte) Secret {
	if len(b) == 0 {
		return Secret{}
	}
	m := &material{bytes.Clone(b)}
	return Secret{&m}
}

// Bytes is the secret itself, not a copy: the caller must not change it.
func (s Secret) Bytes() []byte {
	if s.material == nil {
		return nil
	}
	return (*s.material).octets
}

// Len is the length in octets.
func (s Secret) Len() int { return len(s.Bytes()) }

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s.Len() == 0 }

// Equal compares in constant time for secrets of one length.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare(s.Bytes(), o.Bytes()) == 1
}

// Erase overwrites the secret, for every copy of it.
func (s Secret) Erase() {
	if s.material != nil {
		clear((*s.material).octets)
		(*s.material).octets = nil
	}
}

// String never shows the secret.
func (s Secret) String() string { return redacted }

// GoString never shows the secret.
func (s Secret) GoString() string { return redacted }

// Format never shows the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// MarshalJSON never shows the secret.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText never shows the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalYAML never shows the secret.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }

// LogValue never shows the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
