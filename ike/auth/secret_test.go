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

const plain = "hunter2hunter2"

// holder has a secret wherever a program may keep one.
type holder struct {
	Exported   Secret
	unexported Secret
	pointer    *Secret
	List       []Secret
	Map        map[string]Secret
}

func newHolder(s Secret) holder {
	return holder{s, s, &s, []Secret{s}, map[string]Secret{"k": s}}
}

// hides checks a text for every form in which the secret could be in it.
func hides(t *testing.T, how, text string) {
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

func TestSecretHidesFromFmt(t *testing.T) {
	s := NewSecret([]byte(plain))
	o := newHolder(s)
	for _, verb := range "vsqxXdtcUeEfFgGbopw" {
		for _, flags := range []string{"", "+", "#", "-20", "020", ".30", " "} {
			format := "%" + flags + string(verb)
			// fmt never asks a Formatter about %p, and about %w only in Errorf.
			if got := fmt.Sprintf(format, s); got != redacted && verb != 'p' && verb != 'w' {
				t.Errorf("%s prints %s", format, got)
			}
			for _, v := range []any{s, &s, o, &o, []any{s}} {
				hides(t, format, fmt.Sprintf(format, v))
			}
		}
	}
	hides(t, "Sprint", fmt.Sprint(s, o)+s.String()+s.GoString())
	hides(t, "an error", fmt.Errorf("secret %w or %v", fmt.Errorf("%s", s), o).Error())
}

func TestSecretHidesFromEncoders(t *testing.T) {
	s := NewSecret([]byte(plain))
	all := map[string]any{"a": s, "b": newHolder(s), "c": &s}
	j, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	hides(t, "JSON", string(j))
	y, err := yaml.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	hides(t, "YAML", string(y))
	text, err := s.MarshalText()
	if err != nil || string(text) != redacted {
		t.Errorf("text %q, %v", text, err)
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "secret", s, "holder", newHolder(s))
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "secret", s, "holder", newHolder(s))
	if err := template.Must(template.New("").Parse("{{.}} {{printf `%x` .}}")).Execute(&b, s); err != nil {
		t.Fatal(err)
	}
	hides(t, "slog or a template", b.String())
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
