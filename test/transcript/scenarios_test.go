package transcript

import (
	"os"
	"testing"
)

// scenario is a situation that IKEv2 implementations were seen to get wrong.
type scenario struct {
	what        string
	transcripts []string // under testdata
	elsewhere   string   // the reason why there is no transcript, or where it is shown
}

// scenarios are those that strongSwan's own unit tests name for Child SAs and IKE
// SAs, and what else went wrong in practice: nothing of this list may be without
// a transcript.
var scenarios = []scenario{
	// Replacing a Child SA.
	{what: "regular rekey by either side", transcripts: []string{"child_rekey_a", "child_rekey_b", "handshake_pfs_rekey"}},
	{what: "INVALID_KE_PAYLOAD and another try", transcripts: []string{"invalid_ke_rekey"}},
	{what: "the responder ignores a soft expiry while it waits for the DELETE", transcripts: []string{"child_rekey_soft_expire_at_responder"}},
	{what: "the responder handles a hard expiry while it waits for the DELETE", transcripts: []string{"child_rekey_hard_expire_at_responder"}},
	{what: "the responder or a user deletes the new Child SA early", transcripts: []string{"child_rekey_responder_deletes_new", "child_rekey_initiator_deletes_new"}},
	{what: "the responder lost the Child SA: CHILD_SA_NOT_FOUND", transcripts: []string{"child_rekey_lost_sa", "child_rekey_responder_lost_sa"}},
	{what: "the responder sends a DELETE before its answer", transcripts: []string{"child_rekey_delete_before_response"}},
	{what: "a DELETE that does not come: every end is reported once", transcripts: []string{"child_rekey_delete_timeout"}},
	{what: "lost and repeated messages", transcripts: []string{
		"child_rekey_lost_request", "child_rekey_lost_response", "child_rekey_lost_delete", "child_rekey_repeated",
	}},
	{what: "collision decided by nonce", transcripts: []string{
		"child_rekey_collision", "child_rekey_collision_other", "child_rekey_collision_pfs", "child_rekey_collision_pfs_other",
	}},
	{what: "collision with a delayed answer, before and after the DELETE", transcripts: []string{
		"child_rekey_collision_delayed_response",
		"child_rekey_collision_delayed_response_after_delete", "child_rekey_collision_delayed_response_after_delete_other",
	}},
	{what: "collision with a delayed request", transcripts: []string{"child_rekey_collision_delayed_request"}},
	{what: "collision with a more delayed request: CHILD_SA_NOT_FOUND", transcripts: []string{"child_rekey_collision_delayed_request_more"}},
	{what: "collision with INVALID_KE_PAYLOAD on both sides", transcripts: []string{"child_rekey_collision_invalid_ke", "child_rekey_collision_invalid_ke_other"}},
	{what: "collision with INVALID_KE_PAYLOAD and a delayed second try", transcripts: []string{"child_rekey_collision_invalid_ke_delayed_retry"}},
	{what: "collision with an incorrect DELETE by the loser", transcripts: []string{"child_rekey_collision_incorrect_delete", "child_rekey_collision_incorrect_delete_other"}},
	{what: "rekey against delete", transcripts: []string{
		"child_rekey_and_delete", "child_rekey_and_delete_dropped_delete", "child_rekey_and_delete_dropped_rekey", "child_rekey_and_delete_delayed_response",
	}},
	{what: "rekey against the rekey of the IKE SA", transcripts: []string{"child_rekey_and_ike_rekey", "child_rekey_and_ike_rekey_other"}},
	{what: "rekey against the deletion of the IKE SA", transcripts: []string{"child_rekey_and_ike_delete"}},
	{what: "the peer replaces a Child SA twice before it deletes it", transcripts: []string{"child_rekey_twice_before_delete"}},
	{what: "the data path of one end does not accept the new Child SA", transcripts: []string{"child_rekey_declined_a", "child_rekey_declined_b", "child_rekey_declined_for_ever"}},

	// Replacing an IKE SA.
	{what: "regular rekey of the IKE SA by either side", transcripts: []string{"ike_rekey_a", "ike_rekey_b"}},
	{what: "INVALID_KE_PAYLOAD in the rekey of the IKE SA", transcripts: []string{"ike_rekey_invalid_ke"}},
	{what: "lost and repeated messages in the rekey of the IKE SA", transcripts: []string{
		"ike_rekey_lost_request", "ike_rekey_lost_response", "ike_rekey_lost_delete", "ike_rekey_repeated",
	}},
	{what: "a DELETE of the old IKE SA that does not come", transcripts: []string{"ike_rekey_delete_timeout"}},
	{what: "collision of IKE SAs decided by nonce", transcripts: []string{"ike_rekey_collision", "ike_rekey_collision_other"}},
	{what: "collision of IKE SAs with INVALID_KE_PAYLOAD on both sides", transcripts: []string{"ike_rekey_collision_invalid_ke", "ike_rekey_collision_invalid_ke_other"}},
	{what: "collision of IKE SAs with INVALID_KE_PAYLOAD and a delayed second try", transcripts: []string{"ike_rekey_collision_invalid_ke_delayed_retry"}},
	{what: "collision of IKE SAs with a delayed answer", transcripts: []string{
		"ike_rekey_collision_delayed_response", "ike_rekey_collision_delayed_response_other", "ike_rekey_collision_lost_answer",
	}},
	{what: "collision of IKE SAs with a dropped request", transcripts: []string{"ike_rekey_collision_lost_request"}},
	{what: "collision of IKE SAs with a delayed request", transcripts: []string{"ike_rekey_collision_delayed_request", "ike_rekey_collision_delayed_request_other"}},
	{what: "collision of IKE SAs with a delayed request and DELETE", transcripts: []string{
		"ike_rekey_collision_delayed_request_and_delete", "ike_rekey_collision_delayed_request_and_delete_other",
	}},
	{what: "rekey of the IKE SA against its deletion", transcripts: []string{
		"ike_rekey_and_delete", "ike_rekey_and_delete_dropped_delete", "ike_rekey_and_delete_dropped_rekey", "down_during_ike_rekey",
	}},

	// Several key exchanges (RFC 9370).
	{what: "regular rekeys with several key exchanges", transcripts: []string{"multiple_key_exchanges", "multiple_key_exchanges_lost_answer"}},
	{what: "collisions with several key exchanges, on both sides or on one", transcripts: []string{
		"child_rekey_collision_multi_ke", "child_rekey_collision_mixed_multi_ke", "ike_rekey_collision_multi_ke", "ike_rekey_collision_mixed_multi_ke",
	}},

	// Child SAs for single workers (RFC 9611).
	{what: "a worker gets its own, the peer has none or no more", transcripts: []string{"resource", "resource_not_offered", "resource_refused", "resource_unlike"}},
	{what: "workers of both ends ask at once", transcripts: []string{"resource_both", "resource_both_second"}},
	{what: "one of several equal Child SAs is rekeyed, by each end and by both; all of them", transcripts: []string{"resource_rekey", "resource_rekey_all"}},
	{what: "one of several equal Child SAs ends", transcripts: []string{"resource_delete", "resource_lost"}},

	// Making and ending.
	{what: "both ends make one Child SA", transcripts: []string{"child_create_duplicate", "additional_child_both"}},
	{what: "a Child SA is made while the IKE SA is rekeyed", transcripts: []string{"child_create_and_ike_rekey", "child_create_and_ike_rekey_crossed"}},
	{what: "both ends delete one Child SA", transcripts: []string{"child_delete_collision", "child_delete_collision_dropped"}},
	{what: "a Child SA is deleted while the IKE SA is rekeyed or deleted", transcripts: []string{"child_delete_and_ike_rekey", "child_delete_and_ike_delete"}},
	{what: "both ends delete the IKE SA", transcripts: []string{"delete_both", "delete_crossed_late", "ike_delete_collision_dropped"}},
	{what: "childless IKE SAs that fail", transcripts: []string{
		"childless_fail", "childless_force_unsupported", "childless_force", "childless_crash", "no_child_proposal", "selectors_unacceptable",
	}},
	{what: "message ID synchronization", transcripts: []string{
		"mid_sync_responder", "mid_sync_initiator", "mid_sync_retransmit", "mid_sync_high", "mid_sync_too_far", "mid_sync_disabled",
		"mid_sync_replay", "mid_sync_stale",
	}},
	{what: "crossing streams: both ends start, in every order", elsewhere: "TestCrossing plays every order"},
}

// TestScenarios holds the list against the transcripts.
func TestScenarios(t *testing.T) {
	for _, s := range scenarios {
		if (len(s.transcripts) == 0) == (s.elsewhere == "") {
			t.Errorf("%s: wants transcripts or a reason why there is none", s.what)
		}
		for _, name := range s.transcripts {
			if _, err := os.Stat("testdata/" + name + ".txtar"); err != nil {
				t.Errorf("%s: %v", s.what, err)
			}
		}
	}
}
