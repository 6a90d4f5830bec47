package config

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// Profile is the defaults for a peer of a certain make.
type Profile string

// The profiles.
const (
	ProfileNone        Profile = "none"
	ProfileAzure       Profile = "azure"
	ProfileAzurePolicy Profile = "azure-policy-based"
	ProfileAzureIKEv1  Profile = "azure-ikev1"
	ProfileAWS         Profile = "aws"
	ProfileGCP         Profile = "gcp"
	ProfileCiscoASA    Profile = "cisco-asa"
	ProfileCiscoIOS    Profile = "cisco-ios"
	ProfileFortinet    Profile = "fortigate"
	ProfileJuniper     Profile = "juniper-srx"
	ProfilePaloAlto    Profile = "palo-alto"
	ProfileStrongSwan  Profile = "strongswan"
	ProfileThisProject Profile = "causeway"
)

// profiles are the keys of a connection that each profile sets, as one would
// write them. docs/configuration.md says where the values come from. The liveness interval is
// the time-out of the peer's own dead peer detection, where its maker has one.
var profiles = map[Profile]string{
	ProfileNone: `{}`,
	// The default policy of a route-based gateway knows only group 2 for IKE,
	// and rekeys without PFS; a custom policy has GCM and ECP384.
	ProfileAzure: `
type: route-based
ike: {version: 2, proposals: [aes256gcm16-prfsha384-ecp384, aes256-sha256-modp2048, aes256-sha256-modp1024], lifetime: 8h, dpd: 45s}
esp: {proposals: [aes256gcm16, aes256-sha256, aes256-sha1], lifetime: 7h, lifetime_bytes: 100GB}`,
	ProfileAzurePolicy: `
type: policy-based
ike: {version: 1, proposals: [aes256-sha256-modp1024, aes256-sha1-modp1024, aes128-sha1-modp1024, 3des-sha1-modp1024], lifetime: 8h, dpd: off}
esp: {proposals: [aes256-sha256, aes256-sha1, aes128-sha1, 3des-sha1], lifetime: 1h, lifetime_bytes: 100GB}
start: on-traffic
idle: 5m`,
	// The same gateway as azure, asked for IKEv1: no GCM for IKE, and the group of
	// the default policy unless a custom one has a better.
	ProfileAzureIKEv1: `
type: route-based
ike: {version: 1, proposals: [aes256-sha256-modp2048, aes256-sha256-modp1024, aes256-sha1-modp1024, aes128-sha1-modp1024, 3des-sha1-modp1024], lifetime: 8h, dpd: 45s}
esp: {proposals: [aes256gcm16, aes256-sha256, aes256-sha1, aes128-sha1, 3des-sha1], lifetime: 1h, lifetime_bytes: 100GB}`,
	ProfileAWS: `
type: route-based
ike: {version: 2, proposals: [aes256gcm16-prfsha384-ecp384], lifetime: 8h, dpd: 30s}
esp: {proposals: [aes256gcm16-ecp384], lifetime: 1h, replay_window: 1024}`,
	ProfileGCP: `
type: route-based
ike: {version: 2, proposals: [aes256gcm16-prfsha256-modp2048], lifetime: 10h}
esp: {proposals: [aes256gcm16-modp2048], lifetime: 3h}`,
	// One selector of each side for a Child SA, and no narrowing.
	ProfileCiscoASA: `
type: policy-based
child_per_pair: true
ike: {version: 2, proposals: [aes256-sha384-ecp384, aes256-sha256-modp2048], lifetime: 1d}
esp: {proposals: [aes256gcm16, aes256-sha256], lifetime: 8h, lifetime_bytes: off}`,
	ProfileCiscoIOS: `
type: route-based
ike: {version: 2, proposals: [aes256gcm16-prfsha384-ecp384, aes256-sha256-modp2048], lifetime: 1d}
esp: {proposals: [aes256gcm16, aes256-sha256], lifetime: 1h}`,
	ProfileFortinet: `
type: route-based
ike: {version: 2, proposals: [aes256gcm16-prfsha384-ecp384, aes256-sha256-modp2048], lifetime: 1d}
esp: {proposals: [aes256gcm16-ecp384, aes256-sha256-modp2048], lifetime: 12h}`,
	ProfileJuniper: `
type: route-based
ike: {version: 2, proposals: [aes256-sha384-ecp384, aes256-sha256-modp2048], lifetime: 8h}
esp: {proposals: [aes256gcm16-ecp384, aes256-sha256-modp2048], lifetime: 1h}`,
	ProfilePaloAlto: `
type: route-based
ike: {version: 2, proposals: [aes256-sha384-ecp384, aes256-sha256-modp2048], lifetime: 8h}
esp: {proposals: [aes256gcm16-ecp384, aes256-sha256-modp2048], lifetime: 1h}`,
	ProfileStrongSwan: `
type: route-based
ike: {version: 2, lifetime: 4h}
esp: {lifetime: 1h}`,
	ProfileThisProject: `
type: route-based
ike: {version: 2, proposals: [aes256gcm16-prfsha384-ecp384, aes256gcm16-prfsha384-x25519]}
esp: {proposals: [aes256gcm16-esn]}`,
}

var profileKind = enum(ProfileNone, ProfileAzure, ProfileAzurePolicy, ProfileAzureIKEv1, ProfileAWS, ProfileGCP, ProfileCiscoASA, ProfileCiscoIOS,
	ProfileFortinet, ProfileJuniper, ProfilePaloAlto, ProfileStrongSwan, ProfileThisProject)

// profileOf sets what the profile that a mapping names says, if it names one.
// That the name is wrong is reported where the mapping itself is read.
func profileOf(connection *yaml.Node, into *Connection) {
	name := valueOf(connection, "profile")
	if name == nil {
		return
	}
	text, ok := profiles[Profile(name.Value)]
	if !ok {
		return
	}
	d := newDecoder("profile", Checks{})
	root, ok := d.parse([]byte(text))
	if ok {
		connectionKeys.decode(d, root, "", into)
	}
	if len(d.problems) > 0 {
		panic(fmt.Sprintf("config: profile %s: %v", name.Value, d.problems)) // a test reads them all
	}
}

// unprofiled is what the keys of defaults make of a connection, without their
// profile: for connections that name their own. What is wrong with the keys is
// reported elsewhere.
func unprofiled(defaults *yaml.Node) Connection {
	c := builtinConnection()
	if defaults != nil {
		connectionKeys.decode(newDecoder("defaults", Checks{}), defaults, "", &c)
		c.Profile = ProfileNone
	}
	return c
}
