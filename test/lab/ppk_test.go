package lab

import (
	"fmt"
	"testing"

	"causeway/test/lab/link"
)

const postQuantumKey = "MJ8Xb0kqT4tZ0wq8Jr3vHn5cYp2sLd7gEa1uFx9iKoQ6Rz"

// TestPPK is a post-quantum pre-shared key (RFC 8784) with strongSwan: known at both
// ends, at one, or another one, demanded or not.
func TestPPK(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		ours      string   // the rest of our auth
		theirs    []string // lines of strongSwan's connection
		key       string   // of strongSwan; empty: none
		initiator said     // what we say if it fails
		fails     bool
		responder said
	}{
		{name: "demanded by both", ours: "required: true", theirs: []string{"ppk_id = office", "ppk_required = yes"}, key: postQuantumKey},
		{name: "demanded by nobody", ours: "required: false", theirs: []string{"ppk_id = office", "ppk_required = no"}, key: postQuantumKey},
		{name: "unknown there", ours: "required: false"},
		{name: "demanded here, unknown there", ours: "required: true", fails: true,
			initiator: said{reason: "ppk_mismatch", hint: "same ID"}, responder: said{reason: "ppk_mismatch", hint: "same ID"}},
		{name: "another key", ours: "required: true", theirs: []string{"ppk_id = office", "ppk_required = yes"}, key: "another-" + postQuantumKey, fails: true,
			initiator: said{reason: "authentication_failed"}, responder: said{reason: "authentication_failed", message: "post-quantum"}},
	} {
		for _, role := range []string{"initiator", "responder"} {
			t.Run(c.name+"/"+role, func(t *testing.T) {
				s := newScene(t)
				a, b := signed()
				a.Start = role == "initiator"
				b.Start = !a.Start
				a.Proof = &link.Proof{Auth: fmt.Sprintf("{psk: %q, ppk: {id: office, secret: %q, %s}}", a.PSK, postQuantumKey, c.ours)}
				b.SwanKeys = c.theirs
				if c.key != "" {
					b.SwanTop = []string{"secrets {", "ppk-1 {", "id = office", `secret = "` + c.key + `"`, "}", "}"}
				}
				if !c.fails {
					_, d := s.joined(a, b)
					if used := inLog(d.Log(), "using PPK for PPK_ID 'office'") == nil; used != (c.key != "") {
						t.Errorf("strongSwan uses the key: %v", used)
					}
					return
				}
				want := c.responder
				if a.Start {
					want = c.initiator
					s.strongswan(s.GatewayB, b)
				}
				g := s.causeway(s.GatewayA, a)
				if !a.Start {
					s.strongswan(s.GatewayB, b)
				}
				want.check(t, s.failure(g, link.Name, want.reason))
			})
		}
	}
}
