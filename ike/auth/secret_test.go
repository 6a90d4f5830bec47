package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"go.yaml.in/yaml/v4"
)

// TestSecretNeverShows prints a secret in every way there is, on its own,
// inside exported and unexported fields, behind pointers and in collections.
func TestSecretNeverShows(t *testing.T) {
	const plain = "hunter2hunter2"
	s := NewSecret([]byte(plain))
	type outer struct {
		Exported   Secret
		unexported Secret
		pointer    *Secret
		List       []Secret
		Map        map[string]Secret
	}
	o := outer{s, s, &s, []Secret{s}, map[string]Secret{"k": s}}
	shows := func(how, text string) {
		t.Helper()
		for _, form := range []string{
			plain, fmt.Sprintf("%x", plain), fmt.Sprintf("%X", plain), fmt.Sprintf("%v", []byte(plain)),
			"104 117 110", "104,117,110", "0x68, 0x75", "aHVudGVyM",
		} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows the secret: %s", how, text)
			}
		}
	}
	for _, verb := range "vsqxXdtcUeEfFgGbopw" {
		for _, flags := range []string{"", "+", "#", "-20", "020", ".30", " "} {
			format := "%" + flags + string(verb)
			// fmt never asks a Formatter about %p, and about %w only in Errorf.
			if got := fmt.Sprintf(format, s); got != redacted && verb != 'p' && verb != 'w' {
				t.Errorf("%s prints %s", format, got)
			}
			for _, v := range []any{s, &s, o, &o, []any{s}} {
				shows(format, fmt.Sprintf(format, v))
			}
		}
	}
	shows("Sprint", fmt.Sprint(s, o)+s.String()+s.GoString())
	shows("error", fmt.Errorf("secret %w or %v", fmt.Errorf("%s", s), o).Error())

	j, err := json.Marshal(map[string]any{"a": s, "b": o, "c": &s})
	if err != nil {
		t.Fatal(err)
	}
	shows("JSON", string(j))
	y, err := yaml.Marshal(map[string]any{"a": s, "b": o, "c": &s})
	if err != nil {
		t.Fatal(err)
	}
	shows("YAML", string(y))
	text, err := s.MarshalText()
	if err != nil || string(text) != redacted {
		t.Errorf("text %q, %v", text, err)
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "secret", s, "outer", o)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "secret", s, "outer", o)
	if err := template.Must(template.New("").Parse("{{.}} {{printf `%x` .}}")).Execute(&b, s); err != nil {
		t.Fatal(err)
	}
	shows("slog and template", b.String())
	if !strings.Contains(b.String(), redacted) || !strings.Contains(string(j), redacted) || !strings.Contains(string(y), redacted) {
		t.Error("a redacted secret is not marked as such")
	}
}

func TestSecret(t *testing.T) {
	source := []byte("secret")
	s := NewSecret(source)
	source[0] = 'X'
	if string(s.Bytes()) != "secret" || s.Len() != 6 || s.IsZero() {
		t.Errorf("the secret is %q", s.Bytes())
	}
	if !s.Equal(NewSecret([]byte("secret"))) || s.Equal(NewSecret([]byte("Secret"))) || s.Equal(Secret{}) || !(Secret{}).Equal(NewSecret(nil)) {
		t.Error("Equal is wrong")
	}
	copied, octets := s, s.Bytes()
	s.Erase()
	if !copied.IsZero() || !bytes.Equal(octets, make([]byte, 6)) {
		t.Error("Erase left a copy")
	}
	if !(Secret{}).IsZero() || !NewSecret(nil).IsZero() || (Secret{}).Bytes() != nil {
		t.Error("the zero secret is not empty")
	}
	(Secret{}).Erase()
}
