package gateway

import (
	"strings"
	"testing"
)

// TestWeakProposalsAreDoubted: what is only there for old peers is taken where it
// is configured, and every check of the configuration says what it costs.
func TestWeakProposalsAreDoubted(t *testing.T) {
	for _, tt := range []struct{ protocol, text, want string }{
		{"ikev1", "aes256-sha256-modp1024", "group 2"},
		{"ikev1", "aes256-sha256-modp1536", "group 5"},
		{"ikev1", "3des-sha1-modp1024", "64 bits"},
		{"ike", "3des-sha1-modp2048", "64 bits"},
		{"espv1", "3des-sha1", "512 MiB"},
		{"ikev1", "aes256-sha1-modp2048", ""},
		{"esp", "aes256gcm16", ""},
	} {
		checks := Checks()
		if err := checks.Proposal(tt.protocol, tt.text); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		doubt := checks.ProposalDoubt(tt.protocol, tt.text)
		if (doubt == "") != (tt.want == "") || !strings.Contains(doubt, tt.want) {
			t.Errorf("%s: the doubt is %q", tt.text, doubt)
		}
	}
}
