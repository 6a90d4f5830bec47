package wire

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var compare = cmp.Options{cmpopts.EquateComparable(netip.Addr{})}

// different describes how got differs from want, or is empty. Equal values, the common and sometimes large case, are
// not walked through twice.
func different(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got, compare)
}

// unhex reads hex with blanks and line ends.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden is one payload and its body as the RFC lays it out.
type golden struct {
	name    string
	payload Payload
	body    string // hex, without the generic header
	min     int    // every shorter body is malformed; -1: every prefix is
}

// wrap puts the generic header of an only payload before body.
func wrap(body []byte) []byte {
	n := GenericHeaderLen + len(body)
	return append([]byte{0, 0, byte(n >> 8), byte(n)}, body...)
}

// chainOf parses body as the only payload of type t.
func chainOf(t PayloadType, body []byte) ([]Payload, error) {
	return ParsePayloads(t, wrap(body))
}

// testGolden checks both directions, and that no prefix of the chain or of the body passes for the whole.
func testGolden(t *testing.T, cases []golden) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			body := unhex(t, c.body)
			got, err := chainOf(c.payload.Type(), body)
			if err != nil {
				t.Fatalf("parse: %v", err)
			}
			if diff := different([]Payload{c.payload}, got); diff != "" {
				t.Errorf("parsed (-want +got):\n%s", diff)
			}
			prefix := []byte("kept")
			appended, err := c.payload.AppendBody(prefix)
			if err != nil {
				t.Fatalf("append: %v", err)
			}
			if diff := cmp.Diff("kept"+string(body), string(appended)); diff != "" {
				t.Errorf("appended (-want +got):\n%s", diff)
			}
			testTruncated(t, c, body)
		})
	}
}

func testTruncated(t *testing.T, c golden, body []byte) {
	t.Helper()
	whole := wrap(body)
	for n := range whole {
		wantParseError(t, c.payload.Type(), whole[:n])
	}
	short := c.min
	if short < 0 {
		short = len(body)
	}
	for n := range short {
		wantParseError(t, c.payload.Type(), wrap(body[:n]))
	}
}

// wantParseError checks that b is refused with a ParseError that points into b.
func wantParseError(t *testing.T, first PayloadType, b []byte) {
	t.Helper()
	ps, err := ParsePayloads(first, b)
	var pe *ParseError
	if !errors.As(err, &pe) {
		t.Fatalf("ParsePayloads(%v, %x) = %v, %v, want a ParseError", first, b, ps, err)
	}
	if pe.Offset < 0 || pe.Offset > len(b) || pe.Why == "" {
		t.Fatalf("ParsePayloads(%v, %x): %+v does not point into the input", first, b, *pe)
	}
}

// wantMalformed checks bodies that must be refused, and why.
func wantMalformed(t *testing.T, first PayloadType, cases map[string]string) {
	t.Helper()
	for body, why := range cases {
		_, err := chainOf(first, unhex(t, body))
		var pe *ParseError
		if !errors.As(err, &pe) || !strings.Contains(pe.Why, why) || pe.Payload != first {
			t.Errorf("%v payload %q: error %v, want one about %q", first, body, err, why)
		}
	}
}

// wantEncodeError checks that a payload is refused by AppendPayloads.
func wantEncodeError(t *testing.T, name string, p Payload) {
	t.Helper()
	if b, err := AppendPayloads(nil, []Payload{p}); err == nil {
		t.Errorf("%s: appended %d bytes, want an error", name, len(b))
	}
}

// wantAppended checks that a payload is laid out and read back as it was.
func wantAppended(t *testing.T, name string, p Payload) {
	t.Helper()
	b, err := AppendPayloads(nil, []Payload{p})
	if err != nil {
		t.Errorf("%s: append: %v", name, err)
		return
	}
	got, err := ParsePayloads(p.Type(), b)
	if err != nil {
		t.Errorf("%s: parse: %v", name, err)
		return
	}
	if diff := different([]Payload{p}, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// fuzzPayload fuzzes the body of one payload type.
func fuzzPayload(f *testing.F, kind PayloadType, seeds ...string) {
	for _, s := range seeds {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > MaxMessageLen-GenericHeaderLen {
			return
		}
		ps, err := chainOf(kind, body)
		if err != nil {
			return
		}
		roundTrip(t, kind, ps)
	})
}

// roundTrip checks that appending parsed payloads gives bytes that mean and append the same.
func roundTrip(t *testing.T, first PayloadType, ps []Payload) {
	t.Helper()
	b, err := AppendPayloads(nil, ps)
	if err != nil {
		t.Fatalf("what was parsed cannot be appended: %v", err)
	}
	again, err := ParsePayloads(first, b)
	if err != nil {
		t.Fatalf("what was appended cannot be parsed: %v", err)
	}
	if diff := different(ps, again); diff != "" {
		t.Fatalf("changed on the way (-first +second):\n%s", diff)
	}
	second, err := AppendPayloads(nil, again)
	if err != nil || string(second) != string(b) {
		t.Fatalf("second append differs (%v):\n%x\n%x", err, b, second)
	}
	if s := Summary(ps); strings.ContainsAny(s, "\n\r") {
		t.Fatalf("summary of more than one line: %q", s)
	}
}
