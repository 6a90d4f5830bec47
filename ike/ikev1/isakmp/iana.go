package isakmp

import "fmt"

// PayloadType is an ISAKMP next payload type.
type PayloadType uint8

// Payload types (IANA "Next Payload Types" of ISAKMP; RFC 2408 §3.1, RFC 3947).
const (
	PayloadNone       PayloadType = 0
	PayloadSA         PayloadType = 1
	PayloadKE         PayloadType = 4
	PayloadID         PayloadType = 5
	PayloadCERT       PayloadType = 6
	PayloadCR         PayloadType = 7
	PayloadHASH       PayloadType = 8
	PayloadSIG        PayloadType = 9
	PayloadNONCE      PayloadType = 10
	PayloadN          PayloadType = 11
	PayloadD          PayloadType = 12
	PayloadVID        PayloadType = 13
	PayloadATTR       PayloadType = 14
	PayloadNATD       PayloadType = 20
	PayloadNATOA      PayloadType = 21
	PayloadNATDDraft  PayloadType = 130 // draft-ietf-ipsec-nat-t-ike-02
	PayloadNATOADraft PayloadType = 131
	PayloadFragment   PayloadType = 132 // Cisco, Microsoft
)

var payloadNames = map[PayloadType]string{
	PayloadNone: "none", PayloadSA: "SA", PayloadKE: "KE", PayloadID: "ID", PayloadCERT: "CERT", PayloadCR: "CR",
	PayloadHASH: "HASH", PayloadSIG: "SIG", PayloadNONCE: "NONCE", PayloadN: "N", PayloadD: "D", PayloadVID: "VID",
	PayloadATTR: "ATTR", PayloadNATD: "NAT-D", PayloadNATOA: "NAT-OA", PayloadNATDDraft: "NAT-D(draft)",
	PayloadNATOADraft: "NAT-OA(draft)", PayloadFragment: "FRAG",
}

// String is the name that the RFCs use.
func (t PayloadType) String() string { return name(payloadNames, t, "payload") }

// ExchangeType is an ISAKMP exchange type.
type ExchangeType uint8

// Exchange types (RFC 2408 §3.1, RFC 2409 appendix A, draft-dukes-ike-mode-cfg).
const (
	ExchangeMain          ExchangeType = 2 // Identity Protection
	ExchangeAggressive    ExchangeType = 4
	ExchangeInformational ExchangeType = 5
	ExchangeTransaction   ExchangeType = 6
	ExchangeQuick         ExchangeType = 32
)

var exchangeNames = map[ExchangeType]string{
	ExchangeMain: "Main Mode", ExchangeAggressive: "Aggressive Mode", ExchangeInformational: "Informational",
	ExchangeTransaction: "Transaction", ExchangeQuick: "Quick Mode",
}

// String is the name that the RFCs use.
func (t ExchangeType) String() string { return name(exchangeNames, t, "exchange") }

// Protocol is a security protocol identifier (RFC 2407 §4.4.1).
type Protocol uint8

// Protocols of RFC 2407.
const (
	ProtocolISAKMP Protocol = 1
	ProtocolAH     Protocol = 2
	ProtocolESP    Protocol = 3
	ProtocolIPCOMP Protocol = 4
)

var protocolNames = map[Protocol]string{ProtocolISAKMP: "ISAKMP", ProtocolAH: "AH", ProtocolESP: "ESP", ProtocolIPCOMP: "IPCOMP"}

// String is the name of the RFC.
func (p Protocol) String() string { return name(protocolNames, p, "protocol") }

// IDType is the type of an Identification (RFC 2407 §4.6.2.1).
type IDType uint8

// Identification types.
const (
	IDIPv4Addr       IDType = 1
	IDFQDN           IDType = 2
	IDUserFQDN       IDType = 3
	IDIPv4AddrSubnet IDType = 4
	IDIPv6Addr       IDType = 5
	IDIPv6AddrSubnet IDType = 6
	IDIPv4AddrRange  IDType = 7
	IDIPv6AddrRange  IDType = 8
	IDDERASN1DN      IDType = 9
	IDDERASN1GN      IDType = 10
	IDKeyID          IDType = 11
)

var idNames = map[IDType]string{
	IDIPv4Addr: "IPV4_ADDR", IDFQDN: "FQDN", IDUserFQDN: "USER_FQDN", IDIPv4AddrSubnet: "IPV4_ADDR_SUBNET",
	IDIPv6Addr: "IPV6_ADDR", IDIPv6AddrSubnet: "IPV6_ADDR_SUBNET", IDIPv4AddrRange: "IPV4_ADDR_RANGE",
	IDIPv6AddrRange: "IPV6_ADDR_RANGE", IDDERASN1DN: "DER_ASN1_DN", IDDERASN1GN: "DER_ASN1_GN", IDKeyID: "KEY_ID",
}

// String is the name of the RFC without its prefix ID_.
func (t IDType) String() string { return name(idNames, t, "ID type") }

// CertEncoding is a certificate encoding (RFC 2408 §3.9).
type CertEncoding uint8

// Certificate encodings in use.
const (
	CertPKCS7         CertEncoding = 1
	CertX509Signature CertEncoding = 4
	CertCRL           CertEncoding = 7
)

// ConfigType is the type of a Mode Config message.
type ConfigType uint8

// Types of Mode Config messages (draft-dukes-ike-mode-cfg-02 §3.2).
const (
	ConfigRequest ConfigType = 1
	ConfigReply   ConfigType = 2
	ConfigSet     ConfigType = 3
	ConfigAck     ConfigType = 4
)

var configNames = map[ConfigType]string{ConfigRequest: "REQUEST", ConfigReply: "REPLY", ConfigSet: "SET", ConfigAck: "ACK"}

// String is the name without its prefix ISAKMP_CFG_.
func (t ConfigType) String() string { return name(configNames, t, "config type") }

// name looks a number up; what is unknown is shown as kind and number.
func name[T ~uint8 | ~uint16](names map[T]string, v T, kind string) string {
	if n, ok := names[v]; ok {
		return n
	}
	return fmt.Sprintf("%s %d", kind, v)
}
