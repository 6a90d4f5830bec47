package wire

import (
	"bytes"
	"os"
	"testing"
)

// Messages that charon 5.9.8 sent: its request with a wide and the default proposal, its answer to a request that this
// package laid out, and its answer to the same with an unknown critical payload.
var strongSwan = map[string]string{
	"init-request": "SA KE No N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP) " +
		"N(IKEV2_FRAGMENTATION_SUPPORTED) N(SIGNATURE_HASH_ALGORITHMS) N(REDIRECT_SUPPORTED)",
	"init-response": "SA KE No N(IKEV2_FRAGMENTATION_SUPPORTED) N(CHILDLESS_IKEV2_SUPPORTED) " +
		"N(MULTIPLE_AUTH_SUPPORTED)",
	"init-unsupported-critical": "N(UNSUPPORTED_CRITICAL_PAYLOAD)",
}

func strongSwanMessage(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/strongswan-5.9.8-" + name + ".hex")
	if err != nil {
		t.Fatal(err)
	}
	return unhex(t, string(text))
}

func TestStrongSwan(t *testing.T) {
	for name, summary := range strongSwan {
		b := strongSwanMessage(t, name)
		m, err := ParseMessage(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := m.Summary(); got != summary {
			t.Errorf("%s: got  %q\nwant %q", name, got, summary)
		}
		if again, err := m.Append(nil); err != nil || !bytes.Equal(b, again) {
			t.Errorf("%s: appended %x, %v, want %x", name, again, err, b)
		}
		for n := range b {
			if _, err := ParseMessage(b[:n]); err == nil {
				t.Errorf("%s: the first %d bytes parsed", name, n)
			}
		}
	}
}

func TestStrongSwanProposals(t *testing.T) {
	m, err := ParseMessage(strongSwanMessage(t, "init-request"))
	if err != nil {
		t.Fatal(err)
	}
	var counts []int
	for _, p := range m.Payloads[0].(*SecurityAssociation).Proposals {
		counts = append(counts, len(p.Transforms))
		for _, tr := range p.Transforms {
			const tripleDES, chaCha20Poly1305 = 3, 28 // have one key length
			sized := tr.Type == TransformEncryption && tr.ID != tripleDES && tr.ID != chaCha20Poly1305
			if bits, ok := tr.KeyLength(); ok != sized || !tr.Understood() {
				t.Errorf("transform %+v: key length %d, %v", tr, bits, ok)
			}
		}
	}
	if len(counts) != 3 || counts[0] != 7 {
		t.Errorf("transforms per proposal: %v", counts)
	}
}
