package ikev2

import (
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// IKE SAs without a Child SA (RFC 6023). A responder announces in IKE_SA_INIT
// that it takes an IKE_AUTH without SA and traffic selectors. The first Child SA
// then comes with CREATE_CHILD_SA, where it has a key exchange of its own.

// announcesChildless reports whether the connection takes such an IKE_AUTH.
func announcesChildless(c *sa.Settings) bool {
	return c.Childless != "" && c.Childless != sa.ChildlessNever
}

// takesChildless is the announcement. It is of the few notifies without an SPI that have a
// Protocol ID, IKE's (RFC 6023 §3); RFC 7296 §3.10 has receivers ignore it.
func takesChildless() *wire.Notify {
	return &wire.Notify{Protocol: wire.ProtocolIKE, NotifyType: wire.NotifyChildlessIKEv2Supported}
}

// beginsChildless settles, as the initiator, whether IKE_AUTH leaves the Child SA
// away.
func (s *ikeSA) beginsChildless() (bool, *sa.Failure) {
	switch s.m.settings.Childless {
	case sa.ChildlessPrefer:
		return s.childless, nil
	case sa.ChildlessForce:
		if !s.childless {
			return false, &sa.Failure{Reason: sa.ReasonPeerError,
				Message: "the peer does not take an IKE SA without a Child SA, which is demanded here",
				Local:   "childless force", Remote: "does not announce CHILDLESS_IKEV2_SUPPORTED",
				Hint: "allow it at the peer (strongSwan: childless = allow), or set ike.childless to prefer"}
		}
		return true, nil
	}
	return false, nil
}

// checkChild holds the Child SA that an IKE_AUTH request asks for against what
// was announced: there is all of one, or none where that may be.
func checkChild(msg *message, childless bool) error {
	_, proposal := payload[*wire.SecurityAssociation](msg)
	i, r := msg.selectors(true) != nil, msg.selectors(false) != nil
	switch {
	case proposal && i && r:
		return nil
	case proposal || i || r:
		return &syntaxError{"IKE_AUTH with only a part of SA, TSi and TSr"}
	case !childless:
		return &syntaxError{"IKE_AUTH without a Child SA, which was not agreed"}
	}
	return nil
}

// asksForChild reports whether a checked IKE_AUTH request asks for a Child SA.
func asksForChild(msg *message) bool {
	_, asks := payload[*wire.SecurityAssociation](msg)
	return asks
}

// chooseInAuth judges the Child SA that an IKE_AUTH asks for.
func (s *ikeSA) chooseInAuth(msg *message) (*childChoice, *refusal) {
	if s.m.settings.Childless == sa.ChildlessForce {
		return nil, notInAuth()
	}
	return s.chooseChild(msg, s.m.settings.Children, nil, true)
}

// notInAuth refuses the Child SA of an IKE_AUTH where there is to be none. The
// IKE SA stands, and CREATE_CHILD_SA makes the Child SA.
func notInAuth() *refusal {
	return refuse(wire.NotifyNoAdditionalSAs, &sa.Failure{
		Reason:  sa.ReasonLocalRefused,
		Message: "the peer asks for a Child SA in IKE_AUTH, where none is taken",
		Local:   "childless force", Remote: "SA, TSi and TSr in IKE_AUTH",
		Hint: "let the peer begin without one (strongSwan: childless = force), or set ike.childless to allow",
	})
}
