package config

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is text that no log, error or API answer may show. Its zero value is
// empty. It is comparable.
type Secret struct{ text string }

// NewSecret keeps text as a secret.
func NewSecret(text string) Secret { return Secret{text} }

// Bytes returns a copy of the secret itself.
func (s Secret) Bytes() []byte { return []byte(s.text) }

// IsZero says whether there is no secret.
func (s Secret) IsZero() bool { return s.text == "" }

// Equal says whether two secrets are the same.
func (s Secret) Equal(o Secret) bool { return s == o }

// String hides the secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format hides the secret from every verb of fmt.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = f.Write([]byte(s.GoString()))
		return
	}
	_, _ = f.Write([]byte(s.String()))
}

// MarshalText hides the secret from encoders of text, JSON among them.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON hides the secret.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// MarshalYAML hides the secret.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue hides the secret from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
