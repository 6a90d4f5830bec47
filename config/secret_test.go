package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func TestSecretIsNeverShown(t *testing.T) {
	c := Config{Connections: []Connection{{Name: "a", Auth: Auth{PSK: NewSecret(psk)}}}}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", c.Connections[0].Auth.PSK)
		fmt.Fprintf(&out, verb+"\n", &c.Connections[0].Auth)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Dump(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(asJSON)
	out.Write(asYAML)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "psk", c.Connections[0].Auth.PSK, "auth", c.Connections[0].Auth)
	fmt.Fprintln(&out, c.Connections[0].Auth.PSK.String(), c.Connections[0].Auth.PSK.GoString())
	if strings.Contains(out.String(), psk) || strings.Contains(out.String(), fmt.Sprintf("%x", psk)) {
		t.Errorf("a secret is shown:\n%s", out.String())
	}
	if !strings.Contains(string(asJSON), redacted) || !strings.Contains(string(asYAML), redacted) {
		t.Error("a secret is left out instead of redacted")
	}
}

func TestSecretBytesIsACopy(t *testing.T) {
	s := NewSecret(psk)
	clear(s.Bytes())
	if !s.Equal(NewSecret(psk)) || s.IsZero() || s.Equal(NewSecret("")) {
		t.Error("a caller can change the secret, or Equal is wrong")
	}
}
