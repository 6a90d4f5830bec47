package ikev2

import (
	"bytes"
	"slices"
	"testing"
)

// AUTH of a resumption is prf(SK_p, octets), of the sender's SK_p and the octets of RFC 7296
// §2.15: its own message, the other's nonce and prf(SK_p, identity) (RFC 5723 §4.3.3).
func TestOctetsOfAResumption(t *testing.T) {
	a, _ := pipe(t, "aes256-sha256-x25519")
	a.initRequest, a.initResponse, a.nonceI, a.nonceR = []byte("request "), []byte("response "), []byte("Ni "), []byte("Nr ")
	a.resumed = &resumption{idI: []byte("initiator"), idR: []byte("responder")}
	s := &ikeSA{association: *a}
	for byInitiator, want := range map[bool][]byte{
		true:  s.prf.Sum(nil, s.keys.PI, slices.Concat([]byte("request Nr "), s.prf.Sum(nil, s.keys.PI, []byte("initiator")))),
		false: s.prf.Sum(nil, s.keys.PR, slices.Concat([]byte("response Ni "), s.prf.Sum(nil, s.keys.PR, []byte("responder")))),
	} {
		if got := s.resumedAuth(byInitiator, false); !bytes.Equal(got, want) {
			t.Errorf("by the initiator %v: AUTH is %x, not %x", byInitiator, got, want)
		}
	}
}
