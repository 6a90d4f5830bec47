package gateway

import (
	"fmt"
	"strings"
	"testing"
)

func TestDeviceMTU(t *testing.T) {
	connection := func(name, address, network, esp string) string {
		return fmt.Sprintf("  %s:\n    remote: {address: %q, networks: [%q]}\n    auth: {psk: %q}\n    esp: {proposals: [%s]}\n",
			name, address, network, "long-enough-secret-42", esp)
	}
	gcm4 := connection("a", "203.0.113.5", "10.2.0.0/16", "aes256gcm16")
	gcm6 := connection("b", "2001:db8::5", "10.3.0.0/16", "aes128gcm16-esn")
	cbc4 := connection("c", "203.0.113.6", "10.4.0.0/16", "aes256-sha512")
	null4 := connection("d", "203.0.113.7", "10.5.0.0/16", "null-sha256")
	for _, c := range []struct {
		what, text string
		outer      int
		want       int
	}{
		{"AES-GCM over IPv4", "connections:\n" + gcm4, 1500, 1438},
		{"AES-GCM over IPv6", "connections:\n" + gcm6, 1500, 1418},
		{"the smallest of both", "connections:\n" + gcm4 + gcm6, 1500, 1418},
		{"AES-CBC and SHA-512", "connections:\n" + cbc4, 1500, 1406},
		{"NULL and SHA-256", "connections:\n" + null4, 1500, 1446},
		{"jumbo frames", "connections:\n" + gcm4, 9000, 8938},
		{"no connection yet", "gateway: {name: a}\n", 1500, 1438},
		{"as configured", "gateway: {interface: {mtu: 1300}}\nconnections:\n" + gcm6, 1500, 1300},
	} {
		got, err := deviceMTU(parse(t, c.text), c.outer)
		if err != nil || got != c.want {
			t.Errorf("%s: %d, %v, want %d", c.what, got, err, c.want)
		}
	}
	if _, err := deviceMTU(parse(t, "connections:\n"+gcm4), 600); err == nil || !strings.Contains(err.Error(), "gateway.interface.mtu") {
		t.Errorf("an outer MTU of 600: error %v", err)
	}
}
