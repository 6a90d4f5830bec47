package wire

import (
	"strings"
	"testing"
)

func TestSummary(t *testing.T) {
	ps := []Payload{
		&SecurityAssociation{}, &KeyExchange{}, &Nonce{},
		&Notify{NotifyType: NotifyNATDetectionSourceIP}, &Notify{NotifyType: 40961},
		&Identification{Initiator: true}, &Identification{}, &Certificate{}, &CertificateRequest{},
		&Authentication{Data: []byte("secret")}, &TrafficSelectors{Initiator: true}, &TrafficSelectors{},
		&Delete{Protocol: ProtocolESP}, &VendorID{}, &Configuration{ConfigType: ConfigReply}, &EAP{Code: EAPFailure},
		&Unknown{PayloadType: 201}, &EncryptedFragment{Number: 2, Total: 4}, &Encrypted{},
	}
	want := "SA KE No N(NAT_DETECTION_SOURCE_IP) N(40961) IDi IDr CERT CERTREQ AUTH TSi TSr D(ESP) V CP(CFG_REPLY) " +
		"EAP(failure) payload 201 SKF(2/4) SK"
	if got := Summary(ps); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSummaryBounded(t *testing.T) {
	ps := make([]Payload, MaxPayloads)
	for i := range ps {
		ps[i] = &VendorID{}
	}
	if got, want := Summary(ps), strings.Repeat("V ", maxSummary)+"and 96 more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Summary(nil); got != "" {
		t.Errorf("got %q for nothing", got)
	}
}
