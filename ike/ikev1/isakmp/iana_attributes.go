package isakmp

// Attributes of phase 1 transforms (RFC 2409 appendix A, IANA "Attribute
// Classes" of IKE). The transform ID is always KEY_IKE.
const (
	TransformKeyIKE uint8 = 1

	AttrEncryption   uint16 = 1
	AttrHash         uint16 = 2
	AttrAuth         uint16 = 3
	AttrGroup        uint16 = 4
	AttrLifeType     uint16 = 11
	AttrLifeDuration uint16 = 12
	AttrPRF          uint16 = 13
	AttrKeyLength    uint16 = 14
)

// Values of AttrEncryption.
const (
	EncryptionDES    uint16 = 1
	Encryption3DES   uint16 = 5
	EncryptionAESCBC uint16 = 7 // RFC 3602
)

// Values of AttrHash.
const (
	HashMD5    uint16 = 1
	HashSHA1   uint16 = 2
	HashSHA256 uint16 = 4
	HashSHA384 uint16 = 5
	HashSHA512 uint16 = 6
)

// Values of AttrAuth (RFC 2409, RFC 4754, draft-beaulieu-ike-xauth-02).
const (
	AuthPSK          uint16 = 1
	AuthDSS          uint16 = 2
	AuthRSA          uint16 = 3
	AuthECDSA256     uint16 = 9
	AuthECDSA384     uint16 = 10
	AuthECDSA521     uint16 = 11
	AuthXAUTHInitPSK uint16 = 65001
	AuthXAUTHRespPSK uint16 = 65002
	AuthXAUTHInitRSA uint16 = 65005
	AuthXAUTHRespRSA uint16 = 65006
)

// Values of AttrLifeType and AttrIPsecLifeType.
const (
	LifeSeconds   uint16 = 1
	LifeKilobytes uint16 = 2
)

// Attributes of ESP transforms (RFC 2407 §4.5, RFC 4304).
const (
	AttrIPsecLifeType     uint16 = 1
	AttrIPsecLifeDuration uint16 = 2
	AttrIPsecGroup        uint16 = 3
	AttrIPsecMode         uint16 = 4
	AttrIPsecAuth         uint16 = 5
	AttrIPsecKeyLength    uint16 = 6
	AttrIPsecESN          uint16 = 11 // RFC 4304
)

// Transform IDs of ESP (RFC 2407 §4.4.4, RFC 3602, RFC 4106).
const (
	ESPDES      uint8 = 2
	ESP3DES     uint8 = 3
	ESPAESCBC   uint8 = 12
	ESPAESGCM8  uint8 = 18
	ESPAESGCM12 uint8 = 19
	ESPAESGCM16 uint8 = 20
)

// Values of AttrIPsecAuth (RFC 2407 §4.5, RFC 4868).
const (
	IPsecHMACMD5    uint16 = 1
	IPsecHMACSHA1   uint16 = 2
	IPsecHMACSHA256 uint16 = 5
	IPsecHMACSHA384 uint16 = 6
	IPsecHMACSHA512 uint16 = 7
)

// Values of AttrIPsecMode (RFC 2407 §4.5, RFC 3947 §5.1 and its drafts).
const (
	ModeTunnel            uint16 = 1
	ModeTransport         uint16 = 2
	ModeUDPTunnel         uint16 = 3
	ModeUDPTransport      uint16 = 4
	ModeUDPTunnelDraft    uint16 = 61443
	ModeUDPTransportDraft uint16 = 61444
)

// Attributes of Mode Config (draft-dukes-ike-mode-cfg-02 §3.4), XAUTH
// (draft-beaulieu-ike-xauth-02 §6) and Cisco Unity.
const (
	ConfigIPv4Address uint16 = 1
	ConfigIPv4Netmask uint16 = 2
	ConfigIPv4DNS     uint16 = 3
	ConfigIPv4NBNS    uint16 = 4
	ConfigExpiry      uint16 = 5
	ConfigVersion     uint16 = 7
	ConfigIPv4Subnet  uint16 = 13

	XAUTHType     uint16 = 16520
	XAUTHUser     uint16 = 16521
	XAUTHPassword uint16 = 16522
	XAUTHPasscode uint16 = 16523
	XAUTHMessage  uint16 = 16524
	XAUTHStatus   uint16 = 16527

	UnityBanner       uint16 = 28672
	UnitySavePassword uint16 = 28673
	UnityDomain       uint16 = 28674
	UnitySplitDNS     uint16 = 28675
	UnitySplitInclude uint16 = 28676
	UnityPFS          uint16 = 28679
)
