package ikev1

import (
	"bytes"
	"encoding/hex"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
)

// Vendor IDs are how IKEv1 tells extensions. Most are MD5 of a sentence; some
// end in a version.
var (
	vendorNATT      = unhex("4a131c81070358455c5728f20e95452f") // "RFC 3947"
	vendorNATT03    = unhex("7d9419a65310ca6f2c179d9215529d56") // draft-ietf-ipsec-nat-t-ike-03
	vendorNATT02    = unhex("cd60464335df21f87cfdb2fc68b6a448") // draft-ietf-ipsec-nat-t-ike-02
	vendorNATT02n   = unhex("90cb80913ebb696e086381b5ec427b1f") // the same with a line feed
	vendorDPD       = unhex("afcad71368a1f1c96b8696fc77570100") // RFC 3706 §5.1
	vendorXAUTH     = unhex("09002689dfd6b712")                 // draft-beaulieu-ike-xauth-02 §3
	vendorUnity     = unhex("12f5f28c457168a9702d9fe274cc0100") // Cisco Unity
	vendorFragments = unhex("4048b7d56ebce88525e7de7f00d6c2d3") // "FRAGMENTATION", Cisco and Microsoft
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// nattForm is the NAT traversal that a peer knows: the RFC's, or that of the
// drafts with their own numbers.
type nattForm uint8

const (
	nattNone nattForm = iota
	nattDraft
	nattRFC
)

// abilities are what the peer's vendor IDs tell.
type abilities struct {
	natt                         nattForm
	dpd, xauth, unity, fragments bool
	fragmentsLen                 int // of that vendor ID: Microsoft's has no flags
}

// abilitiesOf reads vendor IDs. Of the forms of NAT traversal the best counts
// (RFC 3947 §3.1).
func abilitiesOf(ps []isakmp.Payload) (a abilities) {
	for _, v := range isakmp.All[*isakmp.VendorID](ps) {
		switch {
		case bytes.Equal(v.Data, vendorNATT):
			a.natt = nattRFC
		case bytes.Equal(v.Data, vendorNATT03), bytes.Equal(v.Data, vendorNATT02), bytes.Equal(v.Data, vendorNATT02n):
			a.natt = max(a.natt, nattDraft)
		case len(v.Data) == 16 && bytes.Equal(v.Data[:14], vendorDPD[:14]):
			a.dpd = true
		case bytes.Equal(v.Data, vendorXAUTH):
			a.xauth = true
		case len(v.Data) == 16 && bytes.Equal(v.Data[:14], vendorUnity[:14]):
			a.unity = true
		case len(v.Data) >= 16 && bytes.Equal(v.Data[:16], vendorFragments):
			a.fragments, a.fragmentsLen = true, min(len(v.Data)&^3, len(fragmenting()))
		}
	}
	return a
}

// vendors are ours, as an initiator sends them.
func vendors(s *sa.Settings) []isakmp.Payload {
	var out []isakmp.Payload
	for _, v := range [][]byte{vendorDPD, vendorNATT, vendorNATT03, vendorNATT02n, fragmenting()} {
		out = append(out, &isakmp.VendorID{Data: v})
	}
	if s.XAUTH != nil {
		out = append(out, &isakmp.VendorID{Data: vendorXAUTH})
	}
	return out
}

// fragmenting is the vendor ID with the flag of Main and Aggressive Mode.
func fragmenting() []byte { return append(vendorFragments[:16:16], 0x80, 0, 0, 0) }

// answer are those that a responder sends: what both ends know, so that the
// answer to a stranger is never longer than what it sent.
func (a abilities) answer() []isakmp.Payload {
	var out []isakmp.Payload
	if a.dpd {
		out = append(out, &isakmp.VendorID{Data: vendorDPD})
	}
	if a.xauth {
		out = append(out, &isakmp.VendorID{Data: vendorXAUTH})
	}
	if a.fragments {
		out = append(out, &isakmp.VendorID{Data: fragmenting()[:a.fragmentsLen]})
	}
	switch a.natt {
	case nattRFC:
		out = append(out, &isakmp.VendorID{Data: vendorNATT})
	case nattDraft:
		out = append(out, &isakmp.VendorID{Data: vendorNATT02n})
	}
	return out
}
