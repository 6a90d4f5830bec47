package wire

import (
	"bytes"
	"strings"
	"testing"
)

var goldenCERTREQ = "04 " + strings.Repeat("11", 20) + strings.Repeat("22", 20)

func TestCertificateRequest(t *testing.T) {
	hashes := append(bytes.Repeat([]byte{0x11}, 20), bytes.Repeat([]byte{0x22}, 20)...)
	testGolden(t, []golden{
		{
			name:    "two authorities",
			payload: &CertificateRequest{Encoding: CertX509Signature, Data: hashes},
			body:    goldenCERTREQ,
			min:     1,
		},
		{name: "any authority", payload: &CertificateRequest{Encoding: CertHashURLOfCert}, body: "0c", min: -1},
	})
}

func TestCertificateRequestAuthorities(t *testing.T) {
	ps, err := chainOf(PayloadCERTREQ, unhex(t, goldenCERTREQ))
	if err != nil {
		t.Fatal(err)
	}
	hashes, ok := ps[0].(*CertificateRequest).Authorities()
	if !ok || len(hashes) != 2 || hashes[0][0] != 0x11 || hashes[1][19] != 0x22 {
		t.Errorf("authorities %x, %v", hashes, ok)
	}
	odd := &CertificateRequest{Data: make([]byte, 21)}
	if hashes, ok := odd.Authorities(); ok {
		t.Errorf("21 bytes read as authorities %x", hashes)
	}
}

func FuzzCertificateRequest(f *testing.F) { fuzzPayload(f, PayloadCERTREQ, goldenCERTREQ, "0c", "") }
