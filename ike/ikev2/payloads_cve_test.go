package ikev2_test

import (
	"bytes"
	"testing"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// Every octet of the selectors of a request for a Child SA is changed to what
// lengths, counts and types were seen to break on. The request is refused or
// granted, and what stands afterwards is whole.
func TestCVE_2023_23009_MalformedSelectors(t *testing.T) {
	offer := childOffer(7)
	plain, err := wire.AppendPayloads(nil, offer)
	if err != nil {
		t.Fatal(err)
	}
	before, err := wire.AppendPayloads(nil, offer[:2])
	if err != nil {
		t.Fatal(err)
	}
	for at := len(before); at < len(plain); at++ {
		for _, octet := range []byte{0, 1, 0x7f, 0xff} {
			w := tunnel(t)
			changed := bytes.Clone(plain)
			if changed[at] == octet {
				continue
			}
			changed[at] = octet
			raw := w.A.Machine.ForgeRaw(wire.ExchangeCreateChildSA, wire.PayloadSA, changed)
			w.B.Receive(sa.Datagram{Raw: raw, Local: atB, Remote: atA})
			if answer(w.B) == "nothing" {
				t.Errorf("octet %d as %#x: no answer", at-len(before), octet)
			}
			if len(w.Faults) > 0 || !up(w.B) && len(w.B.Inbound) > 0 {
				t.Errorf("octet %d as %#x: %v, %d Child SAs", at-len(before), octet, w.Faults, len(w.B.Inbound))
			}
		}
	}
}

// An algorithm that is offered and is not here is refused, and none is offered by
// default that cannot be used.
func TestCVE_2016_3071_AlgorithmThatIsMissing(t *testing.T) {
	for name, change := range map[string]wire.Transform{
		"AES-XCBC as PRF (CVE-2016-3071)":  {Type: wire.TransformPRF, ID: 4},
		"HMAC-MD5 as PRF (CVE-2018-10811)": {Type: wire.TransformPRF, ID: 1},
		"a PRF of nobody":                  {Type: wire.TransformPRF, ID: 65000},
		"DES":                              {Type: wire.TransformEncryption, ID: 2},
	} {
		a, b := transcript.Pair()
		w := transcript.New(a, b, nil)
		raw := initRequest(t, func(m *wire.Message) {
			p := &m.Payloads[0].(*wire.SecurityAssociation).Proposals[0]
			for i := range p.Transforms {
				if p.Transforms[i].Type == change.Type {
					p.Transforms[i] = change
				}
			}
		})
		w.B.Receive(sa.Datagram{Raw: raw, Local: atB, Remote: atA})
		if got := answer(w.B); got != "N(NO_PROPOSAL_CHOSEN)" {
			t.Errorf("%s: b answers %s", name, got)
		}
	}
	for _, p := range transform.DefaultIKEProposals() {
		for _, tr := range p.Transforms {
			if tr.Type != transform.PseudoRandom {
				continue
			}
			if _, err := transform.NewPRF(tr.ID); err != nil {
				t.Errorf("offered by default: %v", err)
			}
		}
	}
}

// Groups that can be broken, or have weak relatives, are not offered by default
// (Logjam).
func TestCVE_2015_4000_WeakGroups(t *testing.T) {
	for _, g := range transform.Groups(transform.DefaultIKEProposals()) {
		if g < 14 || g >= 22 && g <= 26 {
			t.Errorf("group %d is offered by default", g)
		}
	}
}
