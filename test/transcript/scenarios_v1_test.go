package transcript

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// scenariosV1 are the exchanges of IKEv1 and the ways in which they fail. A failure
// that only a peer can cause that breaks the rules is shown elsewhere.
var scenariosV1 = []scenario{
	// Exchanges.
	{what: "Main Mode with each method, through a NAT, with losses", transcripts: []string{
		"main_mode", "signatures_rsa", "signatures_ecdsa", "nat", "loss", "main_answer_lost", "main_answer_lost_asked", "duplicates",
	}},
	{what: "Aggressive Mode with each method, through a NAT, with losses", transcripts: []string{
		"aggressive", "aggressive_signatures", "aggressive_nat", "aggressive_loss", "aggressive_main",
	}},
	{what: "a login with XAUTH", transcripts: []string{"xauth", "xauth_aggressive", "xauth_loss"}},
	{what: "Mode Config, asked for and pushed", transcripts: []string{"mode_config", "mode_config_push", "mode_config_loss", "mode_config_rekey"}},
	{what: "Quick Mode with and without a key share, several, lost messages", transcripts: []string{
		"pfs", "pfs_second", "children", "loss_quick", "unconfirmed",
	}},
	{what: "Informational: delete, INVALID-SPI, DPD, INITIAL-CONTACT", transcripts: []string{
		"delete", "delete_lost", "unknown_spi", "liveness_answered", "liveness_timeout", "crash",
	}},
	{what: "fragments", transcripts: []string{"fragments", "fragments_loss", "fragments_one_side"}},
	{what: "lifetimes: the lower one, soft and hard limits", transcripts: []string{
		"responder_lifetime", "lifetime_soft", "lifetime_hard", "ike_lifetime_hard",
	}},
	{what: "transport mode, through a NAT, and where one end does not want it", transcripts: []string{
		"transport", "transport_protocols", "transport_forced", "transport_nat", "transport_moved", "transport_declined", "transport_not_asked",
	}},
	{what: "replacing either SA, by either end, by both at once, with losses", transcripts: []string{
		"child_rekey", "child_rekey_responder", "child_rekey_collision", "ike_rekey", "ike_rekey_responder", "ike_rekey_collision",
		"both_rekey_collision", "rekey_loses_last", "early_delete", "aggressive_rekey", "both_start",
	}},

	// Failures.
	{what: "silence, at each message", transcripts: []string{
		"loss_all", "main_silence", "main_identity_silence", "quick_silence", "aggressive_silence", "aggressive_left_off", "xauth_silence", "mode_config_none",
	}},
	{what: "no proposal in common", transcripts: []string{"no_proposal", "no_esp_proposal", "aggressive_no_proposal"}},
	{what: "another mode or version", transcripts: []string{"aggressive_not_allowed", "version", "version_responder"}},
	{what: "another method of authentication", transcripts: []string{"method", "xauth_not_offered", "xauth_not_wanted"}},
	{what: "another key", transcripts: []string{"wrong_psk", "aggressive_wrong_psk"}},
	{what: "another identity", transcripts: []string{
		"wrong_identity", "wrong_responder_identity", "aggressive_wrong_identity", "aggressive_wrong_responder_identity", "signatures_wrong_identity",
	}},
	{what: "a certificate that nobody vouches for", transcripts: []string{"signatures_untrusted", "signatures_untrusted_responder"}},
	{what: "a wrong login, and too many", transcripts: []string{"xauth_wrong_password", "xauth_unknown_user", "xauth_too_many"}},
	{what: "networks that are not ours", transcripts: []string{"invalid_id"}},
	{what: "a replacement that the data path of one end does not accept", transcripts: []string{"child_rekey_declined", "child_rekey_declined_responder"}},
	{what: "a key share that is none, and one of another group", elsewhere: "TestCVE_2015_3240_ZeroKeyShare and TestCVE_2023_41913_KeyShareOfAnyLength of ike/ikev1"},
	{what: "malformed, missing and foreign payloads", elsewhere: "TestCVE_2013_6467_MissingPayloads, TestCVE_2015_3991_PayloadsOfIKEv2 and TestMutations of ike/ikev1"},
	{what: "too many half-open SAs, Quick Modes, ISAKMP SAs", elsewhere: "TestHalfOpenIsBounded, TestChildrenAreBounded and TestISAKMPSAsAreBounded of ike/ikev1"},
}

// TestScenariosV1 holds the list against the transcripts: none is missing, and none
// is there that the list lacks.
func TestScenariosV1(t *testing.T) {
	listed := map[string]bool{}
	for _, s := range scenariosV1 {
		if (len(s.transcripts) == 0) == (s.elsewhere == "") {
			t.Errorf("%s: wants transcripts or a place where it is shown", s.what)
		}
		for _, name := range s.transcripts {
			listed[name] = true
			if _, err := os.Stat("testdata/ikev1_" + name + ".txtar"); err != nil {
				t.Errorf("%s: %v", s.what, err)
			}
		}
		for _, word := range strings.FieldsFunc(s.elsewhere, func(r rune) bool { return r == ',' || r == ' ' }) {
			if strings.HasPrefix(word, "Test") && !declared(t, "../../ike/ikev1", word) {
				t.Errorf("%s: there is no %s", s.what, word)
			}
		}
	}
	files, err := filepath.Glob("testdata/ikev1_*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "ikev1_"), ".txtar"); !listed[name] {
			t.Errorf("the list lacks %s", name)
		}
	}
}

// declared tells whether a directory's tests have that function.
func declared(t *testing.T, directory, name string) bool {
	files, err := filepath.Glob(filepath.Join(directory, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), "\nfunc "+name+"(")
	})
}
