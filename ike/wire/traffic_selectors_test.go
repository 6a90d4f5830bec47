package wire

import (
	"net/netip"
	"strings"
	"testing"
)

const (
	goldenTS = `02 000000
		07 06 0010 0050 01bb 0a010000 0a01ffff
		08 00 0028 0000 ffff
		20010db8000000000000000000000000 20010db8ffffffffffffffffffffffff`
	goldenTSLabel = "02 000000 0a 00 0009 7365637265 07 00 0010 0000 ffff 00000000 ffffffff"
)

func TestTrafficSelectors(t *testing.T) {
	testGolden(t, []golden{
		{
			name: "IPv4 with ports, IPv6",
			payload: &TrafficSelectors{Initiator: true, Selectors: []TrafficSelector{
				{
					TSType: TSIPv4AddrRange, Protocol: 6, StartPort: 80, EndPort: 443,
					Start: netip.MustParseAddr("10.1.0.0"), End: netip.MustParseAddr("10.1.255.255"),
				},
				{
					TSType: TSIPv6AddrRange, EndPort: 65535,
					Start: netip.MustParseAddr("2001:db8::"), End: netip.MustParseAddr("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
				},
			}},
			body: goldenTS,
			min:  -1,
		},
		{
			name: "unknown type kept, opaque ports kept",
			payload: &TrafficSelectors{Selectors: []TrafficSelector{
				{TSType: TSSecLabel, Data: []byte("secre")},
				{
					TSType: TSIPv4AddrRange, EndPort: 65535,
					Start: netip.MustParseAddr("0.0.0.0"), End: netip.MustParseAddr("255.255.255.255"),
				},
			}},
			body: goldenTSLabel,
			min:  -1,
		},
		{
			name: "IPv4-mapped IPv6 stays IPv6",
			payload: &TrafficSelectors{Selectors: []TrafficSelector{{
				TSType: TSIPv6AddrRange, StartPort: 65535,
				Start: netip.MustParseAddr("::ffff:10.0.0.1"), End: netip.MustParseAddr("::ffff:10.0.0.2"),
			}}},
			body: `01 000000 08 00 0028 ffff 0000
				00000000000000000000ffff0a000001 00000000000000000000ffff0a000002`,
			min: -1,
		},
	})
}

func TestTrafficSelectorsMalformed(t *testing.T) {
	wantMalformed(t, PayloadTSi, map[string]string{
		"00 000000": "no traffic selector",
		"01 000000 07 00 000f 0000 ffff 000000000000":        "does not fit its type",
		"01 000000 07 00 0011 0000 ffff 0000000000000000 00": "does not fit its type",
		"01 000000 08 00 0010 0000 ffff 0000000000000000":    "does not fit its type",
		"01 000000 0a 00 0003":                               "does not fit its type",
		"01 000000 0a 00 ffff":                               "cut short",
		"ff 000000 0a 00 0004":                               "cut short",
		"01 000000 0a 00 0004 00":                            "more bytes",
	})
	v4, v6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fe80::1%eth0")
	for name, s := range map[string]TrafficSelector{
		"no address":    {TSType: TSIPv4AddrRange},
		"no end":        {TSType: TSIPv4AddrRange, Start: v4},
		"other family":  {TSType: TSIPv6AddrRange, Start: v4, End: v4},
		"mixed":         {TSType: TSIPv4AddrRange, Start: v4, End: v6.WithZone("")},
		"zone of start": {TSType: TSIPv6AddrRange, Start: v6, End: v6.WithZone("")},
		"zone of end":   {TSType: TSIPv6AddrRange, Start: v6.WithZone(""), End: v6},
		"too long":      {TSType: TSSecLabel, Data: make([]byte, 1<<16-4)},
	} {
		wantEncodeError(t, name, &TrafficSelectors{Selectors: []TrafficSelector{s}})
	}
	wantEncodeError(t, "none", &TrafficSelectors{})
}

func TestMaxTrafficSelectors(t *testing.T) {
	s := make([]TrafficSelector, MaxTrafficSelectors)
	for i := range s {
		s[i] = TrafficSelector{TSType: TSSecLabel}
	}
	wantAppended(t, "most", &TrafficSelectors{Selectors: s})
	wantEncodeError(t, "one more", &TrafficSelectors{Selectors: append(s, s[0])})
	body := "ff000000" + strings.Repeat("0a000004", MaxTrafficSelectors+1)
	wantMalformed(t, PayloadTSr, map[string]string{body: "more bytes"})
}

func FuzzTrafficSelectorsInitiator(f *testing.F) {
	fuzzPayload(f, PayloadTSi, goldenTS, goldenTSLabel, "ff000000")
}

func FuzzTrafficSelectorsResponder(f *testing.F) {
	fuzzPayload(f, PayloadTSr, goldenTSLabel, "")
}
