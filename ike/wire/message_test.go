package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An IKE_SA_INIT request: SA (one proposal), KE, Ni, V and an unknown payload, RFC 7296 §1.2.
const goldenInit = `
	a1a2a3a4a5a6a7a8 0000000000000000 21 20 22 08 00000000 00000080
	22 00 0028  00 00 0024 01 01 00 03
		03 00 000c 01 00 0014 800e 0100
		03 00 0008 02 00 0005
		00 00 0008 04 00 001f
	28 00 000c  001f 0000 01020304
	2b 00 0014  000102030405060708090a0b0c0d0e0f
	c8 00 0008  76656e64
	29 80 0006  abcd
	00 00 000e  00 00 402f 0002 0003 0004`

func goldenInitMessage() *Message {
	nonce := make([]byte, 16)
	for i := range nonce {
		nonce[i] = byte(i)
	}
	return &Message{
		Header: Header{
			InitiatorSPI: 0xa1a2a3a4a5a6a7a8,
			NextPayload:  PayloadSA,
			Major:        2,
			Exchange:     ExchangeIKESAInit,
			Flags:        FlagInitiator,
			Length:       128,
		},
		Payloads: []Payload{
			&SecurityAssociation{Proposals: []Proposal{{
				Number:   1,
				Protocol: ProtocolIKE,
				Transforms: []Transform{
					{Type: TransformEncryption, ID: 20, Attributes: []Attribute{KeyLengthAttribute(256)}},
					{Type: TransformPRF, ID: 5},
					{Type: TransformKeyExchange, ID: 31},
				},
			}}},
			&KeyExchange{Group: 31, Data: []byte{1, 2, 3, 4}},
			&Nonce{Data: nonce},
			&VendorID{Data: []byte("vend")},
			&Unknown{PayloadType: 200, Critical: true, Data: []byte{0xab, 0xcd}},
			&Notify{NotifyType: NotifySignatureHashAlgorithms, Data: []byte{0, 2, 0, 3, 0, 4}},
		},
	}
}

func TestMessage(t *testing.T) {
	b := unhex(t, goldenInit)
	got, err := ParseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	want := goldenInitMessage()
	if diff := different(want, got); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
	want.NextPayload, want.Length, want.Major = 99, 99, 0 // computed
	appended, err := want.Append([]byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("kept"+string(b), string(appended)); diff != "" {
		t.Errorf("appended (-want +got):\n%s", diff)
	}
	if got, want := got.Summary(), "SA KE No V payload 200(critical) N(SIGNATURE_HASH_ALGORITHMS)"; got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
}

func TestMessageTruncated(t *testing.T) {
	whole := unhex(t, goldenInit)
	for n := range whole {
		if _, err := ParseMessage(whole[:n]); err == nil {
			t.Errorf("the first %d bytes parsed", n)
		}
		if n < HeaderLen {
			continue
		}
		// The same with a header that agrees with what is left.
		b := bytes.Clone(whole[:n])
		binary.BigEndian.PutUint32(b[24:], uint32(n))
		m, err := ParseMessage(b)
		var pe *ParseError
		if !errors.As(err, &pe) || pe.Offset < HeaderLen || pe.Offset > n {
			t.Errorf("the first %d bytes with their length: %v", n, err)
		}
		if m == nil || m.Exchange != ExchangeIKESAInit || m.Payloads != nil {
			t.Errorf("the first %d bytes: error comes with %+v, want the header alone", n, m)
		}
	}
}

func TestMessageMalformed(t *testing.T) {
	header := "a1a2a3a4a5a6a7a8 b1b2b3b4b5b6b7b8 %s 20 25 08 00000001 %s"
	build := func(next, length, rest string) string {
		return strings.Replace(strings.Replace(header, "%s", next, 1), "%s", length, 1) + rest
	}
	for b, want := range map[string]ParseError{
		build("00", "0000001d", "00"):                         {Offset: 28, Why: "bytes after the last payload"},
		build("00", "0000001b", ""):                           {Offset: 24, Why: "length field differs from the length of the datagram"},
		build("00", "ffffffff", ""):                           {Offset: 24, Why: "length field differs from the length of the datagram"},
		build("29", "0000001c", ""):                           {Payload: PayloadNotify, Offset: 28, Why: "generic header is cut short"},
		build("29", "00000020", "00000003"):                   {Payload: PayloadNotify, Offset: 32, Why: "payload length is less than its generic header"},
		build("29", "00000020", "00000005"):                   {Payload: PayloadNotify, Offset: 32, Why: "payload is cut short"},
		build("2b", "00000024", "29000004 0000ffff"):          {Payload: PayloadNotify, Offset: 36, Why: "payload is cut short"},
		build("29", "00000022", "00000006 0001"):              {Payload: PayloadNotify, Offset: 34, Why: "notify type is cut short"},
		build("2e", "00000024", "29000004 00000004"):          {Payload: PayloadSK, Offset: 32, Why: "encrypted payload is not the last payload"},
		build("35", "00000024", "00000008 00000001"):          {Payload: PayloadSKF, Offset: 36, Why: "fragment number is not within the total"},
		"0000000000000000" + build("00", "0000001c", "")[16:]: {Offset: 0, Why: "the initiator's SPI is zero"},
	} {
		_, err := ParseMessage(unhex(t, b))
		var got *ParseError
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", b, err)
			continue
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", b, diff)
		}
	}
}

func TestMaxMessageLen(t *testing.T) {
	m := &Message{Header: Header{InitiatorSPI: 1}, Payloads: []Payload{
		&VendorID{Data: make([]byte, MaxMessageLen-HeaderLen-2*GenericHeaderLen-100)}, &VendorID{Data: make([]byte, 100)},
	}}
	b, err := m.Append(nil)
	if err != nil || len(b) != MaxMessageLen {
		t.Fatalf("the longest message: %d bytes, %v", len(b), err)
	}
	if _, err := ParseMessage(b); err != nil {
		t.Error(err)
	}
	m.Payloads[1] = &VendorID{Data: make([]byte, 101)}
	if _, err := m.Append(nil); err == nil {
		t.Error("appended one byte too many")
	}
	b = append(b, 0)
	binary.BigEndian.PutUint16(b[len(b)-1-GenericHeaderLen-100+2:], GenericHeaderLen+101)
	binary.BigEndian.PutUint32(b[24:], uint32(len(b)))
	if _, err := ParseMessage(b); err == nil {
		t.Error("parsed one byte too many")
	}
	if _, err := ParsePayloads(PayloadVendorID, b); err == nil {
		t.Error("parsed payloads longer than a message")
	}
}

func TestMaxPayloads(t *testing.T) {
	ps := make([]Payload, MaxPayloads)
	for i := range ps {
		ps[i] = &VendorID{}
	}
	b, err := AppendPayloads(nil, ps)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParsePayloads(PayloadVendorID, b); err != nil || len(got) != MaxPayloads {
		t.Errorf("parsed %d payloads, %v", len(got), err)
	}
	if _, err := AppendPayloads(nil, append(ps, ps[0])); err == nil {
		t.Error("appended one too many")
	}
	wantParseError(t, PayloadVendorID, append([]byte{byte(PayloadVendorID), 0, 0, 4}, b...))
}

func TestNoPayloads(t *testing.T) {
	if ps, err := ParsePayloads(PayloadNone, nil); err != nil || len(ps) != 0 {
		t.Errorf("parsed %v, %v", ps, err)
	}
	if b, err := AppendPayloads(nil, nil); err != nil || len(b) != 0 || FirstType(nil) != PayloadNone {
		t.Errorf("appended %x, %v", b, err)
	}
	wantParseError(t, PayloadNone, []byte{0})
}

// Parsed slices must not let an append write over what follows them in the datagram.
func TestParsedSlicesHaveNoRoom(t *testing.T) {
	b := unhex(t, goldenInit)
	m, err := ParseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	ke := m.Payloads[1].(*KeyExchange)
	_ = append(ke.Data, 0xff, 0xff, 0xff, 0xff)
	if !bytes.Equal(b, unhex(t, goldenInit)) {
		t.Error("appending to parsed data changed the datagram")
	}
}

// TestAllocation holds memory against the bytes received, whatever the length and count fields promise.
func TestAllocation(t *testing.T) {
	const perByte, fixed = 40, 4096
	for name, c := range map[string]struct {
		first PayloadType
		body  []byte
	}{
		"SPIs":                {PayloadDelete, unhex(t, "03 ff ffff 00000000")},
		"selectors":           {PayloadTSi, unhex(t, "ff 000000")},
		"smallest selectors":  {PayloadTSi, append([]byte{255, 0, 0, 0}, bytes.Repeat([]byte{99, 0, 0, 4}, 255)...)},
		"transforms":          {PayloadSA, unhex(t, "00 00 ffff 01 03 ff ff")},
		"smallest transforms": {PayloadSA, bytes.Repeat(rawProposal(moreProposals, 255), 8)},
		"attribute":           {PayloadSA, unhex(t, "00 00 0014 01 03 00 01 00 00 000c 05 00 0000 000e ffff")},
		"configuration":       {PayloadCP, unhex(t, "01 000000 0001 ffff")},
		"smallest attributes": {PayloadCP, append(make([]byte, 4), bytes.Repeat([]byte{0, 1, 0, 0}, 16000)...)},
		"notify SPI":          {PayloadNotify, unhex(t, "01 ff 0001")},
		"EAP":                 {PayloadEAP, unhex(t, "01 01 ffff")},
		"many smallest SPIs":  {PayloadDelete, append([]byte{3, 1, 4, 0}, make([]byte, MaxDeleteSPIs)...)},
	} {
		whole := wrap(c.body)
		got := allocated(func() { _, _ = ParsePayloads(c.first, whole) })
		if limit := uint64(perByte*len(whole) + fixed); got > limit {
			t.Errorf("%s: %d bytes allocated for %d received, want at most %d", name, got, len(whole), limit)
		}
	}
	small := bytes.Repeat([]byte{byte(PayloadVendorID), 0, 0, 4}, 16000)
	if got := allocated(func() { _, _ = ParsePayloads(PayloadVendorID, small) }); got > uint64(perByte*len(small)+fixed) {
		t.Errorf("empty payloads: %d bytes allocated for %d received", got, len(small))
	}
}

// allocated is how many bytes f allocates. The runtime may allocate beside it, so the
// least of several runs counts.
func allocated(f func()) uint64 {
	least := ^uint64(0)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

func FuzzMessage(f *testing.F) {
	for _, s := range []string{goldenInit, goldenSK, goldenSKF, goldenHeader, ""} {
		f.Add(unhex(f, s))
	}
	for name := range strongSwan {
		f.Add(strongSwanMessage(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMessage(b)
		if err != nil {
			return
		}
		sameOpening(t, b, m)
		first, err := m.Append(nil)
		if err != nil {
			t.Fatalf("what was parsed cannot be appended: %v", err)
		}
		again, err := ParseMessage(first)
		if err != nil {
			t.Fatalf("what was appended cannot be parsed: %v", err)
		}
		again.Length, again.NextPayload = m.Length, m.NextPayload
		if diff := different(m, again); diff != "" {
			t.Fatalf("changed on the way (-first +second):\n%s", diff)
		}
		if second, err := again.Append(nil); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("second append differs (%v):\n%x\n%x", err, first, second)
		}
		if sk, ok := m.Encrypted(); ok && !bytes.Equal(b[sk.Offset:], sk.Body) {
			t.Fatalf("body at %d is not what was received", sk.Offset)
		}
	})
}

func FuzzPayloads(f *testing.F) {
	f.Add(uint8(PayloadSA), unhex(f, goldenInit)[HeaderLen:])
	f.Add(uint8(PayloadNotify), wrap(unhex(f, goldenNotify)))
	f.Add(uint8(200), wrap(nil))
	f.Fuzz(func(t *testing.T, first uint8, b []byte) {
		ps, err := ParsePayloads(PayloadType(first), b)
		if err != nil {
			return
		}
		roundTrip(t, FirstType(ps), ps)
	})
}
