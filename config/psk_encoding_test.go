package config

import (
	"strings"
	"testing"
)

// RFC 7296 §2.15: a pre-shared key may be written as text of 64 characters and more,
// to which nothing is added, and in hexadecimal.
func TestPSKEncoding(t *testing.T) {
	long := strings.Repeat("f1Zq0vX5tS9rW2mK", 8)
	for _, c := range []struct{ psk, encoding, want string }{
		{long, "", long},
		{long, "text", long},
		{"0x66315A71", "text", "0x66315A71"},
		{"0x66315A71", "hex", "f1Zq"},
		{"66315a7100ff", "hex", "f1Zq\x00\xff"},
		{"ZjFacQ==", "base64", "f1Zq"},
		{"0sZjFacQ==", "base64", "f1Zq"},
	} {
		encoding := ""
		if c.encoding != "" {
			encoding = ", psk_encoding: " + c.encoding
		}
		cfg, problems := Parse("config.yaml", []byte(`connections:
  a: {remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}, auth: {psk: "`+c.psk+`"`+encoding+`}}
`), testChecks)
		if problems.Err() != nil {
			t.Errorf("%s: %v", c.psk, problems)
			continue
		}
		if got := string(cfg.Connections[0].Auth.PSK.Bytes()); got != c.want {
			t.Errorf("%s as %s is %q", c.psk, c.encoding, got)
		}
	}
}
