package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestKeyLog reads the capture of a whole connection with the keys that the
// gateway wrote, as `tshark` reads it.
func TestKeyLog(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, ike, esp string }{
		{"AEAD", "aes256gcm16-prfsha384-ecp384", "aes256gcm16"},
		{"CBC", "aes256-sha256-modp2048", "aes128-sha256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			a, b := link.Pair()
			a.IKE, b.IKE, a.ESP, b.ESP = []string{c.ike}, []string{c.ike}, []string{c.esp}, []string{c.esp}
			keys := filepath.Join(s.Dir, "keys")
			s.causeway(s.GatewayB, b)
			g, err := gateway.New(program, s.GatewayA, s.Dir, a)
			s.must(err)
			g.Arguments = []string{"--keylog", keys}
			s.must(s.bounded(g.Start))
			s.up(g)
			s.must(g.Rekey(s.ctx, link.Name))
			s.ping(s.ClientA, world.ClientIn(world.SiteB.Networks[0]), 5)
			for _, name := range []string{"ikev2_decryption_table", "esp_sa"} {
				info, err := os.Stat(filepath.Join(keys, name))
				s.must(err)
				if info.Mode().Perm() != 0o600 {
					t.Errorf("%s has the mode %v", name, info.Mode())
				}
			}
			s.eventually("the capture to be readable", func() error { return s.readable(keys) })
		})
	}
}

// readable wants IKE_AUTH's identities, the rekeys' SA payloads, and the inner
// ping of the capture.
func (s *scene) readable(keys string) error {
	configuration := filepath.Join(s.Dir, "wireshark")
	s.must(os.MkdirAll(configuration, 0o700))
	for _, name := range []string{"ikev2_decryption_table", "esp_sa"} {
		text, err := os.ReadFile(filepath.Join(keys, name))
		s.must(err)
		s.must(os.WriteFile(filepath.Join(configuration, name), text, 0o600))
	}
	cmd := s.Router.Command(s.ctx, "tshark", "-o", "esp.enable_encryption_decode:TRUE", "-r", filepath.Join(s.Dir, "router.pcap"), "-V")
	cmd.Env = append(os.Environ(), "WIRESHARK_CONFIG_DIR="+configuration, "HOME="+s.Dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for _, want := range []string{"a.lab.example", "Exchange type: CREATE_CHILD_SA (36)", "Payload: Notify (41) - REKEY_SA", "Echo (ping) reply"} {
		if !strings.Contains(string(out), want) {
			return fmt.Errorf("the decrypted capture has no %q", want)
		}
	}
	return nil
}
