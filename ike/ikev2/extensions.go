package ikev2

import (
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// What the two ends tell each other in IKE_SA_INIT that they can do beyond
// RFC 7296. Each is used only where both said it.

// extensions announces what the connection allows.
func extensions(c *sa.Settings) []wire.Payload {
	var ps []wire.Payload
	if c.FragmentSize > 0 {
		ps = append(ps, notify(wire.NotifyIKEv2FragmentationSupported, nil))
	}
	if transform.Additional(c.IKEProposals) {
		ps = append(ps, notify(wire.NotifyIntermediateExchangeSupported, nil))
	}
	if c.PPK != nil {
		ps = append(ps, notify(wire.NotifyUsePPK, nil))
	}
	if signs(c) {
		ps = append(ps, hashAlgorithms(c))
	}
	return ps
}

// agreeExtensions notes which of ours the peer announced, too.
func (a *association) agreeExtensions(c *sa.Settings, msg *message) {
	if msg.notify(wire.NotifyIKEv2FragmentationSupported) != nil {
		a.fragmentSize = c.FragmentSize
	}
	a.intermediates = transform.Additional(c.IKEProposals) && msg.notify(wire.NotifyIntermediateExchangeSupported) != nil
	a.ppkAgreed = c.PPK != nil && msg.notify(wire.NotifyUsePPK) != nil
	a.childless = msg.notify(wire.NotifyChildlessIKEv2Supported) != nil
	a.agreeHashes(msg)
	a.noteRequests(msg)
}

// extensions is the part of the answer to IKE_SA_INIT about what both ends can
// do. The connection is not known yet, so what one of the candidates allows is
// agreed to; and to IKE_INTERMEDIATE, where the proposal that was chosen has an
// additional key exchange, NONE too (RFC 9370 §2.2.1).
func (a *Acceptor) extensions(h *half, msg *message, chosen transform.Proposal) []wire.Payload {
	common := sa.Settings{IKEProposals: []transform.Proposal{chosen}}
	for _, c := range a.candidates(sa.Datagram{Local: h.local, Remote: h.remote}) {
		common.FragmentSize = max(common.FragmentSize, c.FragmentSize)
		if c.PPK != nil {
			common.PPK = c.PPK
		}
		if transform.Additional(c.IKEProposals) {
			common.IKEProposals = c.IKEProposals
		}
		if announcesChildless(c) {
			common.Childless = c.Childless
		}
	}
	h.agreeExtensions(&common, msg)
	h.childless = common.Childless != "" // the responder alone announces it
	agreed := sa.Settings{FragmentSize: h.fragmentSize}
	if h.intermediates {
		agreed.IKEProposals = common.IKEProposals
	}
	if h.ppkAgreed {
		agreed.PPK = common.PPK
	}
	out := extensions(&agreed)
	if h.childless {
		out = append(out, takesChildless())
	}
	return append(out, a.signatures(h)...)
}
