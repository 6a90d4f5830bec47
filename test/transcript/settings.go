package transcript

import (
	"net/netip"
	"time"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// Pair is the settings of two hosts that agree: one child, a pre-shared key, no
// lifetimes.
func Pair() (a, b *sa.Settings) {
	east, west := Networks("10.1.0.0/16"), Networks("10.2.0.0/16")
	base := sa.Settings{
		Name: "a-b", PSK: auth.NewSecret([]byte("a key that two hosts share")),
		IKEProposals: Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519"),
		ESPProposals: Proposals(transform.ESP, "aes256gcm16"),
		DPD:          30 * time.Second,
	}
	left, right := base, base
	left.LocalIdentity, left.RemoteIdentity = Identity("a.example"), Identity("b.example")
	right.LocalIdentity, right.RemoteIdentity = Identity("b.example"), Identity("a.example")
	left.Children = []sa.ChildSettings{{Name: "net", Local: east, Remote: west}}
	right.Children = []sa.ChildSettings{{Name: "net", Local: west, Remote: east}}
	return &left, &right
}

// Networks is the selectors of prefixes.
func Networks(prefixes ...string) selector.List {
	var l selector.List
	for _, p := range prefixes {
		l = append(l, selector.FromPrefix(netip.MustParsePrefix(p)))
	}
	return l
}

// Proposals parses keywords, one proposal each.
func Proposals(proto transform.Protocol, keywords ...string) []transform.Proposal {
	var out []transform.Proposal
	for _, k := range keywords {
		p, err := transform.ParseProposal(proto, k)
		if err != nil {
			panic(err)
		}
		out = append(out, p)
	}
	return out
}

// Identity parses an identity.
func Identity(s string) auth.Identity {
	id, err := auth.ParseIdentity(s)
	if err != nil {
		panic(err)
	}
	return id
}
