package wire

import (
	"fmt"
	"testing"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		value fmt.Stringer
		want  string
	}{
		{ExchangeIKESAInit, "IKE_SA_INIT"},
		{ExchangeIKEIntermediate, "IKE_INTERMEDIATE"},
		{ExchangeType(99), "exchange 99"},
		{PayloadSA, "SA"},
		{PayloadType(99), "payload 99"},
		{ProtocolESP, "ESP"},
		{ProtocolID(99), "protocol 99"},
		{TransformEncryption, "ENCR"},
		{TransformAdditionalKeyExchange1, "ADDKE1"},
		{TransformType(99), "transform type 99"},
		{AttributeKeyLength, "KEY_LENGTH"},
		{AttributeType(99), "attribute 99"},
		{IDFQDN, "ID_FQDN"},
		{IDType(99), "ID type 99"},
		{AuthSharedKey, "shared key"},
		{AuthMethod(99), "auth method 99"},
		{CertOCSPContent, "OCSP content"},
		{CertEncoding(99), "certificate encoding 99"},
		{TSIPv4AddrRange, "TS_IPV4_ADDR_RANGE"},
		{TSType(99), "TS type 99"},
		{ConfigReply, "CFG_REPLY"},
		{ConfigType(99), "configuration type 99"},
		{ConfigInternalIP4DNS, "INTERNAL_IP4_DNS"},
		{ConfigAttributeType(99), "configuration attribute 99"},
		{EAPSuccess, "success"},
		{EAPCode(99), "EAP code 99"},
		{NotifyChildSANotFound, "CHILD_SA_NOT_FOUND"},
		{NotifyType(40960), "40960"},
	} {
		if got := c.value.String(); got != c.want {
			t.Errorf("%T: got %q, want %q", c.value, got, c.want)
		}
	}
}

// The numbers of the registry, spelled out once more so that a slip in the constants shows.
func TestNotifyTypes(t *testing.T) {
	for number, want := range map[NotifyType]string{
		1: "UNSUPPORTED_CRITICAL_PAYLOAD", 4: "INVALID_IKE_SPI", 5: "INVALID_MAJOR_VERSION", 7: "INVALID_SYNTAX",
		9: "INVALID_MESSAGE_ID", 11: "INVALID_SPI", 14: "NO_PROPOSAL_CHOSEN", 17: "INVALID_KE_PAYLOAD",
		24: "AUTHENTICATION_FAILED", 34: "SINGLE_PAIR_REQUIRED", 35: "NO_ADDITIONAL_SAS",
		36: "INTERNAL_ADDRESS_FAILURE", 37: "FAILED_CP_REQUIRED", 38: "TS_UNACCEPTABLE", 39: "INVALID_SELECTORS",
		40: "UNACCEPTABLE_ADDRESSES", 41: "UNEXPECTED_NAT_DETECTED", 43: "TEMPORARY_FAILURE",
		44: "CHILD_SA_NOT_FOUND", 47: "STATE_NOT_FOUND", 48: "TS_MAX_QUEUE",
		16384: "INITIAL_CONTACT", 16388: "NAT_DETECTION_SOURCE_IP", 16389: "NAT_DETECTION_DESTINATION_IP",
		16390: "COOKIE", 16391: "USE_TRANSPORT_MODE", 16393: "REKEY_SA", 16396: "MOBIKE_SUPPORTED",
		16400: "UPDATE_SA_ADDRESSES", 16401: "COOKIE2", 16406: "REDIRECT_SUPPORTED", 16409: "TICKET_LT_OPAQUE",
		16413: "TICKET_OPAQUE", 16417: "EAP_ONLY_AUTHENTICATION", 16418: "CHILDLESS_IKEV2_SUPPORTED",
		16419: "QUICK_CRASH_DETECTION", 16422: "IKEV2_MESSAGE_ID_SYNC", 16430: "IKEV2_FRAGMENTATION_SUPPORTED",
		16431: "SIGNATURE_HASH_ALGORITHMS", 16435: "USE_PPK", 16437: "NO_PPK_AUTH",
		16438: "INTERMEDIATE_EXCHANGE_SUPPORTED", 16441: "ADDITIONAL_KEY_EXCHANGE", 16444: "SA_RESOURCE_INFO",
	} {
		if got := number.String(); got != want {
			t.Errorf("%d: got %q, want %q", uint16(number), got, want)
		}
		if got := number.IsError(); got != (number < 100) {
			t.Errorf("%s: IsError is %v", want, got)
		}
	}
	if !NotifyType(16383).IsError() || NotifyType(16384).IsError() || NotifyType(65535).IsError() {
		t.Error("the range of errors ends at 16383")
	}
}

func TestNamesAreDistinct(t *testing.T) {
	seen := map[string]NotifyType{}
	for n, s := range notifyNames {
		if other, ok := seen[s]; ok {
			t.Errorf("%d and %d are both called %s", n, other, s)
		}
		seen[s] = n
	}
}

func TestErrors(t *testing.T) {
	for err, want := range map[error]string{
		&ParseError{Offset: 24, Why: "why"}:                     "wire: malformed message at byte 24: why",
		&ParseError{Payload: PayloadSA, Offset: 32, Why: "why"}: "wire: malformed SA payload at byte 32: why",
		&VersionError{Major: 3, Minor: 1}:                       "wire: IKE version 3.1, only 2.x is understood",
		encodeError(PayloadKE, "%d bytes", 7):                   "wire: cannot encode KE payload: 7 bytes",
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

// Known and the parser must agree, or Unknown.AppendBody would refuse what was parsed.
func TestKnownPayloads(t *testing.T) {
	for kind := 1; kind < 256; kind++ {
		p, _ := parseBody(PayloadType(kind), false, &reader{payload: PayloadType(kind)})
		_, unknown := p.(*Unknown)
		sealed := PayloadType(kind) == PayloadSK || PayloadType(kind) == PayloadSKF
		if known := PayloadType(kind).Known() && !sealed; known == unknown {
			t.Errorf("%v: known %v, parsed as %T", PayloadType(kind), known, p)
		}
	}
}
