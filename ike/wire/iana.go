package wire

import "strconv"

// Numbers of the IANA registry "Internet Key Exchange Version 2 (IKEv2) Parameters". Names are those of the registry.
// Notify types are in iana_notify.go, configuration attributes in iana_configuration.go.

// ExchangeType says what a message is part of.
type ExchangeType uint8

const (
	ExchangeIKESAInit        ExchangeType = 34
	ExchangeIKEAuth          ExchangeType = 35
	ExchangeCreateChildSA    ExchangeType = 36
	ExchangeInformational    ExchangeType = 37
	ExchangeIKESessionResume ExchangeType = 38 // RFC 5723
	ExchangeIKEIntermediate  ExchangeType = 43 // RFC 9242
	ExchangeIKEFollowupKE    ExchangeType = 44 // RFC 9370
)

var exchangeNames = map[ExchangeType]string{
	ExchangeIKESAInit:        "IKE_SA_INIT",
	ExchangeIKEAuth:          "IKE_AUTH",
	ExchangeCreateChildSA:    "CREATE_CHILD_SA",
	ExchangeInformational:    "INFORMATIONAL",
	ExchangeIKESessionResume: "IKE_SESSION_RESUME",
	39:                       "GSA_AUTH",
	40:                       "GSA_REGISTRATION",
	41:                       "GSA_REKEY",
	ExchangeIKEIntermediate:  "IKE_INTERMEDIATE",
	ExchangeIKEFollowupKE:    "IKE_FOLLOWUP_KE",
}

// String is the registered name, or "exchange 99".
func (t ExchangeType) String() string { return name(exchangeNames, t, "exchange ") }

// PayloadType is the number of a payload in the Next Payload field before it.
type PayloadType uint8

const (
	PayloadNone     PayloadType = 0
	PayloadSA       PayloadType = 33
	PayloadKE       PayloadType = 34
	PayloadIDi      PayloadType = 35
	PayloadIDr      PayloadType = 36
	PayloadCERT     PayloadType = 37
	PayloadCERTREQ  PayloadType = 38
	PayloadAUTH     PayloadType = 39
	PayloadNonce    PayloadType = 40
	PayloadNotify   PayloadType = 41
	PayloadDelete   PayloadType = 42
	PayloadVendorID PayloadType = 43
	PayloadTSi      PayloadType = 44
	PayloadTSr      PayloadType = 45
	PayloadSK       PayloadType = 46
	PayloadCP       PayloadType = 47
	PayloadEAP      PayloadType = 48
	PayloadSKF      PayloadType = 53 // RFC 7383
)

var payloadNames = map[PayloadType]string{
	PayloadNone:     "none",
	PayloadSA:       "SA",
	PayloadKE:       "KE",
	PayloadIDi:      "IDi",
	PayloadIDr:      "IDr",
	PayloadCERT:     "CERT",
	PayloadCERTREQ:  "CERTREQ",
	PayloadAUTH:     "AUTH",
	PayloadNonce:    "No",
	PayloadNotify:   "N",
	PayloadDelete:   "D",
	PayloadVendorID: "V",
	PayloadTSi:      "TSi",
	PayloadTSr:      "TSr",
	PayloadSK:       "SK",
	PayloadCP:       "CP",
	PayloadEAP:      "EAP",
	49:              "GSPM",
	50:              "IDg",
	51:              "GSA",
	52:              "KD",
	PayloadSKF:      "SKF",
	54:              "PS",
}

// String is the notation of RFC 7296 §1.2 ("SA", "KE", "No" for Ni and Nr), or "payload 99".
func (t PayloadType) String() string { return name(payloadNames, t, "payload ") }

// Known reports whether the package has a type of its own for the payload.
func (t PayloadType) Known() bool {
	return t >= PayloadSA && t <= PayloadEAP || t == PayloadSKF
}

// ProtocolID is a security protocol.
type ProtocolID uint8

const (
	ProtocolNone ProtocolID = 0
	ProtocolIKE  ProtocolID = 1
	ProtocolAH   ProtocolID = 2
	ProtocolESP  ProtocolID = 3
)

var protocolNames = map[ProtocolID]string{
	ProtocolNone: "none",
	ProtocolIKE:  "IKE",
	ProtocolAH:   "AH",
	ProtocolESP:  "ESP",
	4:            "FC_ESP_HEADER",
	5:            "FC_CT_AUTHENTICATION",
}

// String is the registered name, or "protocol 99".
func (p ProtocolID) String() string { return name(protocolNames, p, "protocol ") }

// TransformType is the kind of algorithm a transform chooses.
type TransformType uint8

const (
	TransformEncryption             TransformType = 1
	TransformPRF                    TransformType = 2
	TransformIntegrity              TransformType = 3
	TransformKeyExchange            TransformType = 4
	TransformSequenceNumbers        TransformType = 5
	TransformAdditionalKeyExchange1 TransformType = 6 // RFC 9370; 7 to 12 are the second to the seventh
)

var transformTypeNames = map[TransformType]string{
	TransformEncryption:      "ENCR",
	TransformPRF:             "PRF",
	TransformIntegrity:       "INTEG",
	TransformKeyExchange:     "KE",
	TransformSequenceNumbers: "SN",
	6:                        "ADDKE1",
	7:                        "ADDKE2",
	8:                        "ADDKE3",
	9:                        "ADDKE4",
	10:                       "ADDKE5",
	11:                       "ADDKE6",
	12:                       "ADDKE7",
}

// String is the registered name, or "transform type 99".
func (t TransformType) String() string { return name(transformTypeNames, t, "transform type ") }

// AttributeType is the kind of a transform attribute, 15 bits.
type AttributeType uint16

// AttributeKeyLength is the key length in bits, the only attribute there is (RFC 7296 §3.3.5).
const AttributeKeyLength AttributeType = 14

var attributeNames = map[AttributeType]string{AttributeKeyLength: "KEY_LENGTH"}

// String is the registered name, or "attribute 99".
func (t AttributeType) String() string { return name(attributeNames, t, "attribute ") }

// IDType says how the data of an identification is to be read.
type IDType uint8

const (
	IDIPv4Addr   IDType = 1
	IDFQDN       IDType = 2
	IDRFC822Addr IDType = 3
	IDIPv6Addr   IDType = 5
	IDDERASN1DN  IDType = 9
	IDDERASN1GN  IDType = 10
	IDKeyID      IDType = 11
	IDFCName     IDType = 12 // RFC 4595
	IDNull       IDType = 13 // RFC 7619
)

var idTypeNames = map[IDType]string{
	IDIPv4Addr:   "ID_IPV4_ADDR",
	IDFQDN:       "ID_FQDN",
	IDRFC822Addr: "ID_RFC822_ADDR",
	IDIPv6Addr:   "ID_IPV6_ADDR",
	IDDERASN1DN:  "ID_DER_ASN1_DN",
	IDDERASN1GN:  "ID_DER_ASN1_GN",
	IDKeyID:      "ID_KEY_ID",
	IDFCName:     "ID_FC_NAME",
	IDNull:       "ID_NULL",
}

// String is the registered name, or "ID type 99".
func (t IDType) String() string { return name(idTypeNames, t, "ID type ") }

// AuthMethod is how a peer authenticates itself.
type AuthMethod uint8

const (
	AuthRSASignature     AuthMethod = 1
	AuthSharedKey        AuthMethod = 2
	AuthDSSSignature     AuthMethod = 3
	AuthECDSA256         AuthMethod = 9  // RFC 4754
	AuthECDSA384         AuthMethod = 10 // RFC 4754
	AuthECDSA521         AuthMethod = 11 // RFC 4754
	AuthSecurePassword   AuthMethod = 12 // RFC 6467
	AuthNull             AuthMethod = 13 // RFC 7619
	AuthDigitalSignature AuthMethod = 14 // RFC 7427
)

var authMethodNames = map[AuthMethod]string{
	AuthRSASignature:     "RSA signature",
	AuthSharedKey:        "shared key",
	AuthDSSSignature:     "DSS signature",
	AuthECDSA256:         "ECDSA-256 signature",
	AuthECDSA384:         "ECDSA-384 signature",
	AuthECDSA521:         "ECDSA-521 signature",
	AuthSecurePassword:   "secure password",
	AuthNull:             "NULL",
	AuthDigitalSignature: "digital signature",
}

// String is a short name, or "auth method 99".
func (m AuthMethod) String() string { return name(authMethodNames, m, "auth method ") }

// CertEncoding says what a certificate payload carries.
type CertEncoding uint8

const (
	CertPKCS7           CertEncoding = 1
	CertPGP             CertEncoding = 2
	CertDNSSignedKey    CertEncoding = 3
	CertX509Signature   CertEncoding = 4
	CertKerberosToken   CertEncoding = 6
	CertCRL             CertEncoding = 7
	CertARL             CertEncoding = 8
	CertSPKI            CertEncoding = 9
	CertX509Attribute   CertEncoding = 10
	CertRawRSAKey       CertEncoding = 11 // deprecated by RFC 7670
	CertHashURLOfCert   CertEncoding = 12
	CertHashURLOfBundle CertEncoding = 13
	CertOCSPContent     CertEncoding = 14 // RFC 4806
	CertRawPublicKey    CertEncoding = 15 // RFC 7670
)

var certEncodingNames = map[CertEncoding]string{
	CertPKCS7:           "PKCS #7 wrapped X.509 certificate",
	CertPGP:             "PGP certificate",
	CertDNSSignedKey:    "DNS signed key",
	CertX509Signature:   "X.509 certificate - signature",
	CertKerberosToken:   "Kerberos token",
	CertCRL:             "certificate revocation list",
	CertARL:             "authority revocation list",
	CertSPKI:            "SPKI certificate",
	CertX509Attribute:   "X.509 certificate - attribute",
	CertRawRSAKey:       "raw RSA key",
	CertHashURLOfCert:   "hash and URL of X.509 certificate",
	CertHashURLOfBundle: "hash and URL of X.509 bundle",
	CertOCSPContent:     "OCSP content",
	CertRawPublicKey:    "raw public key",
}

// String is the registered name, or "certificate encoding 99".
func (e CertEncoding) String() string { return name(certEncodingNames, e, "certificate encoding ") }

// TSType is the kind of a traffic selector.
type TSType uint8

const (
	TSIPv4AddrRange TSType = 7
	TSIPv6AddrRange TSType = 8
	TSFCAddrRange   TSType = 9  // RFC 4595
	TSSecLabel      TSType = 10 // RFC 9478
)

var tsTypeNames = map[TSType]string{
	TSIPv4AddrRange: "TS_IPV4_ADDR_RANGE",
	TSIPv6AddrRange: "TS_IPV6_ADDR_RANGE",
	TSFCAddrRange:   "TS_FC_ADDR_RANGE",
	TSSecLabel:      "TS_SECLABEL",
}

// String is the registered name, or "TS type 99".
func (t TSType) String() string { return name(tsTypeNames, t, "TS type ") }

// IsAddrRange reports whether a selector of this type has ports and addresses.
func (t TSType) IsAddrRange() bool { return t == TSIPv4AddrRange || t == TSIPv6AddrRange }

// EAPCode is the kind of an EAP packet (RFC 3748 §4).
type EAPCode uint8

const (
	EAPRequest  EAPCode = 1
	EAPResponse EAPCode = 2
	EAPSuccess  EAPCode = 3
	EAPFailure  EAPCode = 4
)

var eapCodeNames = map[EAPCode]string{
	EAPRequest: "request", EAPResponse: "response", EAPSuccess: "success", EAPFailure: "failure",
}

// String is a short name, or "EAP code 99".
func (c EAPCode) String() string { return name(eapCodeNames, c, "EAP code ") }

// name is the name of v, or its number after a prefix.
func name[N ~uint8 | ~uint16](names map[N]string, v N, prefix string) string {
	if s, ok := names[v]; ok {
		return s
	}
	return prefix + strconv.Itoa(int(v))
}
