package ikev2_test

import (
	"bytes"
	"slices"
	"testing"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// EAP and what rides in it (TLS, RADIUS, methods of their own) broke others. Here
// is no EAP (RFC 7296 §2.16): a peer that begins with it is refused, one that
// speaks it out of turn proves nothing by it, and nothing reads what is inside.

// whole is an EAP packet (RFC 3748 §4) of type and data.
func whole(code wire.EAPCode, data ...byte) wire.Payload {
	return &wire.EAP{Code: code, Identifier: 1, Data: data}
}

// success is what ends a login that never was (RFC 3748 §4.2).
func success() wire.Payload { return whole(wire.EAPSuccess) }

// fault is what a host at fault makes of the payloads that it sends.
type fault = func(wire.Header, []wire.Payload) []wire.Payload

// instead is a fault: EAP stands where AUTH was in messages of IKE_AUTH.
func instead(of ...wire.Payload) fault {
	return func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != wire.ExchangeIKEAuth {
			return ps
		}
		kept := slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool { return p.Type() == wire.PayloadAUTH })
		return append(kept, of...)
	}
}

// beside is a fault: EAP stands beside an AUTH that is made with another key.
func beside(eap ...wire.Payload) fault {
	return func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != wire.ExchangeIKEAuth {
			return ps
		}
		out := slices.Clone(ps)
		for i, p := range out {
			if a, ok := p.(*wire.Authentication); ok {
				forged := *a
				forged.Data = bytes.Repeat([]byte{0x5a}, len(a.Data))
				out[i] = &forged
			}
		}
		return append(out, eap...)
	}
}

// ways are how peers authenticate to each other.
var ways = map[string]func(a, b *sa.Settings){
	"pre-shared key": func(_, _ *sa.Settings) {},
	"certificates": func(a, b *sa.Settings) {
		authorities := transcript.Authorities()
		a.Credentials = transcript.Credentials(authorities.Certificate("p256", "a.example"), nil)
		b.Credentials = transcript.Credentials(authorities.Certificate("p256", "b.example"), nil)
		a.Trust = transcript.Trust(nil, authorities.Root)
		b.Trust = a.Trust
		a.PSK, b.PSK = auth.Secret{}, auth.Secret{}
	},
}

// meet lets two hosts connect, of which one may be at fault.
func meet(way func(a, b *sa.Settings), ofA, ofB fault) *transcript.World {
	a, b := transcript.Pair()
	way(a, b)
	w := transcript.New(a, b, nil)
	w.A.Faulty, w.B.Faulty = ofA, ofB
	w.A.Up()
	w.DeliverAll()
	return w
}

// noEAP has both roles meet these packets: before authentication, in place of it,
// and after it.
func noEAP(t *testing.T, packets ...wire.Payload) {
	t.Helper()
	packets = append(packets, success())
	for name, way := range ways {
		if w := meet(way, nil, nil); !up(w.A) || !up(w.B) {
			t.Fatalf("%s: the hosts do not connect when nobody is at fault", name)
		}
		for _, packet := range packets {
			for place, fault := range map[string]fault{"in place of AUTH": instead(packet, success()), "beside a false AUTH": beside(packet, success())} {
				w := meet(way, fault, nil)
				if up(w.B) || len(w.B.Inbound)+len(w.B.Outbound)+w.B.Acceptor.HalfOpen() > 0 || len(w.Faults) > 0 {
					t.Errorf("%s, %v %s: the responder takes it for authentication, or keeps it; %v", name, packet, place, w.Faults)
				}
				w = meet(way, nil, fault)
				if up(w.A) || len(w.A.Inbound)+len(w.A.Outbound) > 0 || len(w.Faults) > 0 {
					t.Errorf("%s, %v %s: the initiator takes it for authentication; %v", name, packet, place, w.Faults)
				}
			}
		}
	}
	afterwards(t, packets)
}

// afterwards has a peer that is authenticated send the packets, alone and as if its
// login began anew.
func afterwards(t *testing.T, packets []wire.Payload) {
	t.Helper()
	for _, packet := range packets {
		for ex, want := range map[wire.ExchangeType]string{
			wire.ExchangeInformational: "", // it has no place there, and is not looked at
			wire.ExchangeIKEAuth:       "N(INVALID_SYNTAX)", wire.ExchangeCreateChildSA: "N(INVALID_SYNTAX)",
		} {
			w := meet(ways["pre-shared key"], nil, nil)
			w.B.Actions = nil
			if got := forge(w, ex, packet); got != want {
				t.Errorf("%v in %v is answered %s, want %s", packet, ex, got, want)
			}
			if children := len(w.B.Inbound); up(w.B) != (children == 1) || len(w.Faults) > 0 {
				t.Errorf("%v in %v leaves %d Child SAs, %v", packet, ex, children, w.Faults)
			}
		}
	}
}

// lengths has a peer that is authenticated send EAP packets whose own length is
// another one than the payload's.
func lengths(t *testing.T, data ...byte) {
	t.Helper()
	for _, length := range []byte{0, 1, 3, byte(3 + len(data)), byte(5 + len(data)), 255} {
		w := meet(ways["pre-shared key"], nil, nil)
		body := append([]byte{0, 0, 0, byte(8 + len(data)), byte(wire.EAPRequest), 1, 0, length}, data...)
		w.B.Receive(sa.Datagram{Raw: w.A.Machine.ForgeRaw(wire.ExchangeInformational, wire.PayloadEAP, body), Local: atB, Remote: atA})
		if got := answer(w.B); got != "N(INVALID_SYNTAX)" || up(w.B) {
			t.Errorf("an EAP packet of length %d is answered %s", length, got)
		}
	}
}

// CVE-2021-45079 of strongSwan: EAP-Success came before the method was through, and
// counted.
func TestCVE_2021_45079_EAPSuccessInsteadOfAuth(t *testing.T) { noEAP(t) }

// CVE-2026-35330 of strongSwan: an attribute of EAP-SIM or EAP-AKA with the length 0
// was read for ever, or over the end of its place (RFC 4186 §8.1, RFC 4187 §8.1).
func TestCVE_2026_35330_AttributesOfEAPSIM(t *testing.T) {
	for _, method := range []byte{18, 23, 50} {
		noEAP(t, whole(wire.EAPRequest, method, 10, 0, 0, 13, 0, 0, 0), whole(wire.EAPResponse, method, 1, 0, 0, 7, 255, 0, 0))
	}
}

// CVE-2026-25075 of strongSwan: an AVP of EAP-TTLS shorter than its own header (RFC
// 5281 §10.1).
func TestCVE_2026_25075_AVPOfEAPTTLS(t *testing.T) {
	noEAP(t, whole(wire.EAPRequest, 21, 0, 0, 0, 0, 79, 0, 0, 0, 7), whole(wire.EAPResponse, 21, 0, 0, 0, 0, 79, 0x40, 0, 0, 0))
	lengths(t, 21, 0, 0, 0, 0, 79, 0, 0, 0, 7)
}

// CVE-2025-62291 of strongSwan: a Failure of EAP-MSCHAPv2 longer than it says
// (draft-kamath-pppext-eap-mschapv2 §2.5).
func TestCVE_2025_62291_FailureOfMSCHAPv2(t *testing.T) {
	noEAP(t, whole(wire.EAPRequest, append([]byte{26, 4, 1, 0, 1}, bytes.Repeat([]byte("E=691 R=1 C="), 400)...)...), whole(wire.EAPRequest, 26, 4, 1, 255, 255))
}

// CVE-2015-8023 of strongSwan: a client that says that the server succeeded, to the
// server itself, without an answer to its challenge.
func TestCVE_2015_8023_SuccessOfMSCHAPv2(t *testing.T) {
	noEAP(t, whole(wire.EAPResponse, 26, 3), whole(wire.EAPResponse, 26, 3, 1, 0, 4), whole(wire.EAPResponse, 1, 'a'))
}

// hello is the beginning of a TLS handshake in an EAP method (RFC 5216 §3.1), with
// one extension.
func hello(method, message byte, extension ...byte) wire.Payload {
	body := slices.Concat([]byte{3, 3}, make([]byte, 32), []byte{0, 0, 2, 0x13, 1, 1, 0, 0, byte(len(extension))}, extension)
	record := slices.Concat([]byte{22, 3, 3, 0, byte(4 + len(body)), message, 0, 0, byte(len(body))}, body)
	return whole(wire.EAPRequest, append([]byte{method, 0}, record...)...)
}

// CVE-2026-35328 of strongSwan: an extension supported_versions of odd length was
// read for ever (RFC 8446 §4.2.1).
func TestCVE_2026_35328_SupportedVersions(t *testing.T) {
	noEAP(t, hello(13, 1, 0, 43, 0, 2, 1, 3), hello(13, 2, 0, 43, 0, 1, 3), hello(25, 1, 0, 43, 0, 0))
}

// CVE-2026-35333 of strongSwan: attributes of RADIUS, to which it handed what a peer
// said in EAP (RFC 3579 §3.1).
func TestCVE_2026_35333_EAPForRADIUS(t *testing.T) {
	noEAP(t, whole(wire.EAPResponse, append([]byte{1}, bytes.Repeat([]byte("user@realm"), 30)...)...), whole(wire.EAPResponse, 3, 0), whole(wire.EAPResponse, 254, 0, 0, 0, 26, 0))
}

// CVE-2023-26463 of strongSwan: a certificate shown inside of a method with TLS, whose
// chain was not looked at before its key was taken.
func TestCVE_2023_26463_CertificateInsideEAP(t *testing.T) {
	own := transcript.Authorities().Certificate("p256", "a.example", "other").Certificate.Raw
	message := slices.Concat([]byte{11, 0, byte((len(own) + 6) >> 8), byte(len(own) + 6), 0, byte((len(own) + 3) >> 8), byte(len(own) + 3), 0, byte(len(own) >> 8), byte(len(own))}, own)
	record := slices.Concat([]byte{22, 3, 3, byte(len(message) >> 8), byte(len(message))}, message)
	for _, method := range []byte{13, 21, 25} {
		noEAP(t, whole(wire.EAPResponse, append([]byte{method, 0}, record...)...))
	}
}
