package wire

// ConfigType is what a Configuration payload does (RFC 7296 §3.15).
type ConfigType uint8

const (
	ConfigRequest ConfigType = 1
	ConfigReply   ConfigType = 2
	ConfigSet     ConfigType = 3
	ConfigAck     ConfigType = 4
)

var configTypeNames = map[ConfigType]string{
	ConfigRequest: "CFG_REQUEST", ConfigReply: "CFG_REPLY", ConfigSet: "CFG_SET", ConfigAck: "CFG_ACK",
}

// String is the registered name, or "configuration type 99".
func (t ConfigType) String() string { return name(configTypeNames, t, "configuration type ") }

// ConfigAttributeType is the kind of a configuration attribute, 15 bits (RFC 7296 §3.15.1).
type ConfigAttributeType uint16

const (
	ConfigInternalIP4Address  ConfigAttributeType = 1
	ConfigInternalIP4Netmask  ConfigAttributeType = 2
	ConfigInternalIP4DNS      ConfigAttributeType = 3
	ConfigInternalIP4NBNS     ConfigAttributeType = 4
	ConfigInternalIP4DHCP     ConfigAttributeType = 6
	ConfigApplicationVersion  ConfigAttributeType = 7
	ConfigInternalIP6Address  ConfigAttributeType = 8
	ConfigInternalIP6DNS      ConfigAttributeType = 10
	ConfigInternalIP6DHCP     ConfigAttributeType = 12
	ConfigInternalIP4Subnet   ConfigAttributeType = 13
	ConfigSupportedAttributes ConfigAttributeType = 14
	ConfigInternalIP6Subnet   ConfigAttributeType = 15
	ConfigMIP6HomePrefix      ConfigAttributeType = 16 // RFC 5026
	ConfigInternalIP6Link     ConfigAttributeType = 17 // RFC 5739
	ConfigInternalIP6Prefix   ConfigAttributeType = 18 // RFC 5739
	ConfigHomeAgentAddress    ConfigAttributeType = 19 // 3GPP TS 24.302
	ConfigPCSCFIP4Address     ConfigAttributeType = 20 // RFC 7651
	ConfigPCSCFIP6Address     ConfigAttributeType = 21 // RFC 7651
	ConfigInternalDNSDomain   ConfigAttributeType = 25 // RFC 8598
	ConfigInternalDNSSECTA    ConfigAttributeType = 26 // RFC 8598
	ConfigEncDNSIP4           ConfigAttributeType = 27 // RFC 9464
	ConfigEncDNSIP6           ConfigAttributeType = 28 // RFC 9464
	ConfigEncDNSDigestInfo    ConfigAttributeType = 29 // RFC 9464
)

var configAttributeNames = map[ConfigAttributeType]string{
	ConfigInternalIP4Address:  "INTERNAL_IP4_ADDRESS",
	ConfigInternalIP4Netmask:  "INTERNAL_IP4_NETMASK",
	ConfigInternalIP4DNS:      "INTERNAL_IP4_DNS",
	ConfigInternalIP4NBNS:     "INTERNAL_IP4_NBNS",
	ConfigInternalIP4DHCP:     "INTERNAL_IP4_DHCP",
	ConfigApplicationVersion:  "APPLICATION_VERSION",
	ConfigInternalIP6Address:  "INTERNAL_IP6_ADDRESS",
	ConfigInternalIP6DNS:      "INTERNAL_IP6_DNS",
	ConfigInternalIP6DHCP:     "INTERNAL_IP6_DHCP",
	ConfigInternalIP4Subnet:   "INTERNAL_IP4_SUBNET",
	ConfigSupportedAttributes: "SUPPORTED_ATTRIBUTES",
	ConfigInternalIP6Subnet:   "INTERNAL_IP6_SUBNET",
	ConfigMIP6HomePrefix:      "MIP6_HOME_PREFIX",
	ConfigInternalIP6Link:     "INTERNAL_IP6_LINK",
	ConfigInternalIP6Prefix:   "INTERNAL_IP6_PREFIX",
	ConfigHomeAgentAddress:    "HOME_AGENT_ADDRESS",
	ConfigPCSCFIP4Address:     "P_CSCF_IP4_ADDRESS",
	ConfigPCSCFIP6Address:     "P_CSCF_IP6_ADDRESS",
	ConfigInternalDNSDomain:   "INTERNAL_DNS_DOMAIN",
	ConfigInternalDNSSECTA:    "INTERNAL_DNSSEC_TA",
	ConfigEncDNSIP4:           "ENCDNS_IP4",
	ConfigEncDNSIP6:           "ENCDNS_IP6",
	ConfigEncDNSDigestInfo:    "ENCDNS_DIGEST_INFO",
}

// String is the registered name, or "configuration attribute 99".
func (t ConfigAttributeType) String() string {
	return name(configAttributeNames, t, "configuration attribute ")
}
