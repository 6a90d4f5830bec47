package transcript

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"causeway/esp/selector"
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// TestRandomFaults has b say whatever it likes, under the keys that it has: payloads that
// are missing, twice, of other messages, or about other SAs. a does not panic, wait for
// what has passed, or use an SPI twice; once both took the tunnel down nothing of it is
// left, and with a sound peer it comes up again.
func TestRandomFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomPair(t, rapid.IntRange(1, 2).Draw(t, "children"))
		defer explain(t, lines)
		w.disrupted = true
		if rapid.Bool().Draw(t, "extensions") {
			for _, h := range []*Host{w.A, w.B} {
				s := h.Settings
				s.MOBIKE, s.SessionResumption, s.FollowRedirects, s.CrashDetection, s.MessageIDSync = true, true, true, true, true
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "stands") > 0 {
			hold := w.HoldWork
			w.HoldWork = false
			w.Stand()
			w.HoldWork = hold
		}
		seldom := rapid.IntRange(0, 4).Draw(t, "how seldom")
		var heard []wire.Payload // of earlier messages
		w.B.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
			out := slices.Clone(ps)
			if rapid.IntRange(0, seldom).Draw(t, "at fault") == 0 {
				out = atFault(t, w, heard, out)
			}
			heard = append(heard, ps...)
			return out
		}
		misfortune(t, w, []string{
			"up a", "up b", "rekey a", "rekey b", "rekey ike a", "rekey ike b", "reauth a", "reauth b", "worker a", "worker b",
			"soft a", "hard a", "down a", "advance", "advance",
		}, false)
		w.B.Faulty, w.HoldWork = nil, false
		w.Work()
		for _, h := range []*Host{w.A, w.B} {
			h.Step(sa.Down{})
		}
		w.Advance(5*time.Minute, true)
		for _, h := range []*Host{w.A, w.B} {
			if s := h.Snapshot(); len(s.IKE)+len(s.Children)+len(h.Inbound)+len(h.Outbound)+len(h.reserved)+len(h.spis)+h.Keyed() > 0 {
				t.Fatalf("%s is left with %d IKE SAs, %d Child SAs, %d of them received on and %d sent on, %d SPIs of ESP and %d of IKE, %d with keys",
					h.Name, len(s.IKE), len(s.Children), len(h.Inbound), len(h.Outbound), len(h.reserved), len(h.spis), h.Keyed())
			}
		}
		converge(t, w)
	})
}

// atFault is what a faulty peer makes of a message.
func atFault(t *rapid.T, w *World, heard, ps []wire.Payload) []wire.Payload {
	at := 0
	if len(ps) > 0 {
		at = rapid.IntRange(0, len(ps)-1).Draw(t, "payload")
	}
	switch rapid.SampledFrom([]string{"nothing", "less", "twice", "another", "notify", "notify alone", "delete", "critical", "other", "other", "other", "other"}).Draw(t, "fault") {
	case "nothing":
		return nil
	case "less":
		if len(ps) > 0 {
			return slices.Delete(ps, at, at+1)
		}
	case "twice":
		if len(ps) > 0 {
			return append(ps, ps[at])
		}
	case "another":
		if len(heard) > 0 {
			return append(ps, rapid.SampledFrom(heard).Draw(t, "of before"))
		}
	case "notify":
		return append(ps, anyNotify(t, w))
	case "notify alone":
		return []wire.Payload{anyNotify(t, w)}
	case "delete":
		return append(ps, anyDelete(t, w))
	case "critical":
		return append(ps, &wire.Unknown{PayloadType: 200, Critical: true})
	case "other":
		if len(ps) > 0 {
			ps[at] = other(t, w, ps[at])
		}
	}
	return ps
}

// other is a payload with something else in it.
func other(t *rapid.T, w *World, p wire.Payload) wire.Payload {
	switch p := p.(type) {
	case *wire.SecurityAssociation:
		out := &wire.SecurityAssociation{Proposals: slices.Clone(p.Proposals)}
		one := &out.Proposals[0]
		switch rapid.IntRange(0, 4).Draw(t, "proposal") {
		case 0:
			one.SPI = make([]byte, len(one.SPI))
		case 1:
			one.SPI = anySPI(t, w)
		case 2:
			out.Proposals = append(out.Proposals, out.Proposals...)
		case 3:
			one.Protocol = wire.ProtocolID(rapid.IntRange(1, 3).Draw(t, "protocol"))
		case 4:
			one.Transforms = slices.Delete(slices.Clone(one.Transforms), 0, 1)
		}
		return out
	case *wire.KeyExchange:
		if rapid.Bool().Draw(t, "other group") {
			return &wire.KeyExchange{Group: 19, Data: p.Data}
		}
		return &wire.KeyExchange{Group: p.Group, Data: make([]byte, len(p.Data))}
	case *wire.Nonce:
		return &wire.Nonce{Data: make([]byte, 32)}
	case *wire.TrafficSelectors:
		out := &wire.TrafficSelectors{Initiator: p.Initiator, Selectors: slices.Clone(p.Selectors)}
		if rapid.Bool().Draw(t, "more") {
			out.Selectors = append(out.Selectors, selectorsOf(Networks("0.0.0.0/0", "10.1.0.0/24"))...)
			return out
		}
		out.Selectors = selectorsOf(Networks("10.9.0.0/16"))
		return out
	case *wire.Notify:
		n := *p
		if len(n.SPI) > 0 {
			n.SPI = anySPI(t, w)
		} else {
			n.Data = make([]byte, rapid.IntRange(0, 24).Draw(t, "octets"))
		}
		return &n
	case *wire.Delete:
		return anyDelete(t, w)
	case *wire.Identification:
		return &wire.Identification{Initiator: p.Initiator, IDType: p.IDType, Data: []byte("c.example")}
	case *wire.Authentication:
		return &wire.Authentication{Method: p.Method, Data: make([]byte, len(p.Data))}
	}
	return p
}

// anyNotify is a Notify payload that may mean anything.
func anyNotify(t *rapid.T, w *World) wire.Payload {
	n := &wire.Notify{NotifyType: rapid.SampledFrom([]wire.NotifyType{
		wire.NotifyInvalidSyntax, wire.NotifyNoProposalChosen, wire.NotifyInvalidKEPayload, wire.NotifyAuthenticationFailed, wire.NotifyTemporaryFailure,
		wire.NotifyChildSANotFound, wire.NotifyNoAdditionalSAs, wire.NotifyTSUnacceptable, wire.NotifyStateNotFound, wire.NotifyUnsupportedCriticalPayload,
		wire.NotifyRekeySA, wire.NotifyInitialContact, wire.NotifyCookie, wire.NotifyUseTransportMode, wire.NotifySAResourceInfo, wire.NotifyTSMaxQueue,
		wire.NotifyAdditionalKeyExchange, wire.NotifyAuthLifetime, wire.NotifyRedirect, wire.NotifyUpdateSAAddresses, wire.NotifyCookie2,
		wire.NotifyIKEv2MessageIDSync, wire.NotifyTicketLTOpaque, wire.NotifyQuickCrashDetection,
	}).Draw(t, "notify")}
	switch n.NotifyType {
	case wire.NotifyRekeySA, wire.NotifyChildSANotFound:
		n.Protocol, n.SPI = wire.ProtocolESP, anySPI(t, w)
	case wire.NotifyInvalidKEPayload:
		n.Data = binary.BigEndian.AppendUint16(nil, uint16(rapid.IntRange(0, 40).Draw(t, "group")))
	case wire.NotifyRedirect:
		n.Data = wire.AppendGateway(nil, wire.Gateway{Addr: w.A.Addr})
	case wire.NotifyTicketLTOpaque:
		n.Data = []byte{0, 0, 0, 1, 1}
	case wire.NotifyIKEv2MessageIDSync:
		n.Data = []byte{1, 2, 3, 4, 0, 0, 0, byte(rapid.IntRange(0, 20).Draw(t, "send")), 0, 0, 0, byte(rapid.IntRange(0, 20).Draw(t, "receive"))}
	default:
		n.Data = make([]byte, rapid.IntRange(0, 24).Draw(t, "octets"))
	}
	return n
}

// anyDelete is a Delete payload about SAs that are there, of either end, or about none.
func anyDelete(t *rapid.T, w *World) wire.Payload {
	if rapid.IntRange(0, 3).Draw(t, "of the IKE SA") == 0 {
		return &wire.Delete{Protocol: wire.ProtocolIKE}
	}
	d := &wire.Delete{Protocol: wire.ProtocolESP}
	for range rapid.IntRange(1, 3).Draw(t, "SPIs") {
		d.SPIs = append(d.SPIs, anySPI(t, w))
	}
	return d
}

// anySPI is one that is in use for ESP, or was never.
func anySPI(t *rapid.T, w *World) []byte {
	spis := []uint32{0, 0x12345678}
	for _, h := range []*Host{w.A, w.B} {
		for _, c := range h.Snapshot().Children {
			spis = append(spis, c.Child.SPIIn, c.Child.SPIOut)
		}
	}
	return binary.BigEndian.AppendUint32(nil, rapid.SampledFrom(spis).Draw(t, "SPI"))
}

func selectorsOf(l selector.List) (out []wire.TrafficSelector) {
	for _, s := range l {
		out = append(out, wire.TrafficSelector{TSType: wire.TSIPv4AddrRange, Protocol: s.Protocol, StartPort: s.StartPort, EndPort: s.EndPort, Start: s.Start, End: s.End})
	}
	return out
}
