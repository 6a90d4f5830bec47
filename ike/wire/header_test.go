package wire

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const goldenHeader = "a1a2a3a4a5a6a7a8 b1b2b3b4b5b6b7b8 21 20 22 08 00000000 0000001c"

func TestParseHeader(t *testing.T) {
	b := unhex(t, goldenHeader)
	got, err := ParseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	want := Header{
		InitiatorSPI: 0xa1a2a3a4a5a6a7a8,
		ResponderSPI: 0xb1b2b3b4b5b6b7b8,
		NextPayload:  PayloadSA,
		Major:        2,
		Exchange:     ExchangeIKESAInit,
		Flags:        FlagInitiator,
		Length:       28,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
	for n := range b {
		if h, err := ParseHeader(b[:n]); err == nil {
			t.Errorf("%d bytes parsed as %+v", n, h)
		}
	}
}

// A caller that also speaks IKEv1 needs the version and the SPIs of any message.
func TestParseHeaderOtherVersions(t *testing.T) {
	b := unhex(t, "0000000000000001 0000000000000000 01 10 02 00 12345678 000001f4")
	h, err := ParseHeader(b)
	if err != nil || h.Major != 1 || h.Minor != 0 || h.MessageID != 0x12345678 || h.Length != 500 {
		t.Errorf("IKEv1 header: %+v, %v", h, err)
	}
	b[17] = 0x3f
	if h, err = ParseHeader(b); err != nil || h.Major != 3 || h.Minor != 15 {
		t.Errorf("header of version 3.15: %+v, %v", h, err)
	}
}

func TestParseMessageVersion(t *testing.T) {
	for version, want := range map[byte]*VersionError{
		0x10: {Major: 1},
		0x30: {Major: 3},
		0xf1: {Major: 15, Minor: 1},
		0x00: {},
		0x20: nil,
		0x25: nil, // minor versions are ignored, RFC 7296 §2.5
	} {
		b := unhex(t, "a1a2a3a4a5a6a7a8 0000000000000000 00 20 22 08 00000000 0000001c")
		b[17] = version
		m, err := ParseMessage(b)
		var got *VersionError
		errors.As(err, &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("version %#x (-want +got):\n%s", version, diff)
		}
		if m == nil || m.InitiatorSPI != 0xa1a2a3a4a5a6a7a8 {
			t.Errorf("version %#x: no header with the error", version)
		}
	}
}

func TestAppendHeaderRefused(t *testing.T) {
	for name, h := range map[string]Header{
		"other major version": {InitiatorSPI: 1, Major: 3},
		"minor too large":     {InitiatorSPI: 1, Major: 2, Minor: 16},
		"version 0.1":         {InitiatorSPI: 1, Minor: 1},
		"no initiator SPI":    {},
	} {
		if b, err := (&Message{Header: h}).Append(nil); err == nil {
			t.Errorf("%s: appended %x", name, b)
		}
	}
}

func TestHeaderString(t *testing.T) {
	h := Header{InitiatorSPI: 0xaa, ResponderSPI: 0xbb, Exchange: ExchangeIKEAuth, MessageID: 1}
	if got, want := h.String(), "IKE_AUTH request 1 spi 00000000000000aa/00000000000000bb"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	h.Flags = FlagResponse
	if got, want := h.String(), "IKE_AUTH response 1 spi 00000000000000aa/00000000000000bb"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for f, want := range map[Flags]string{0: "-", 0xff: "IVR", FlagInitiator: "I", FlagVersion | FlagResponse: "VR"} {
		if got := f.String(); got != want {
			t.Errorf("flags %#x: got %q, want %q", uint8(f), got, want)
		}
	}
}
