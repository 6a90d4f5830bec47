package config

import (
	"testing"
	"time"
)

// TestProfileOrder: own keys, then the connection's profile, then defaults, then
// their profile, then what is built in.
func TestProfileOrder(t *testing.T) {
	c := mustParse(t, `defaults:
  profile: gcp
  ike: {lifetime: 5h, dpd: 7s}
connections:
  own: {profile: strongswan, remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}, auth: {psk: "f1Zq0vX5tS9rW2mK8bYc"}, esp: {lifetime: 2h, proposals: [aes256gcm16]}}
  inherits: {remote: {address: 203.0.113.6, networks: [10.3.0.0/16]}, auth: {psk: "f1Zq0vX5tS9rW2mK8bYc"}, ike: {proposals: [aes256gcm16-prfsha384-ecp384]}, esp: {proposals: [aes256gcm16]}}
`).Connections
	own, inherits := c[0], c[1]
	if own.Profile != ProfileStrongSwan || own.ESP.Lifetime != 2*time.Hour || own.IKE.Lifetime != 4*time.Hour || own.IKE.DPD != 7*time.Second {
		t.Errorf("own: %+v", own)
	}
	if inherits.Profile != ProfileGCP || inherits.IKE.Lifetime != 5*time.Hour || inherits.ESP.Lifetime != 3*time.Hour || inherits.ESP.ReplayWindow != 8192 {
		t.Errorf("inherits: %+v", inherits)
	}
}

// TestProfilesAreAllowed: each profile has an entry, and its keys can be read.
func TestProfilesAreAllowed(t *testing.T) {
	if len(profiles) != len(profileKind.Enum) {
		t.Errorf("%d profiles, %d names", len(profiles), len(profileKind.Enum))
	}
	for _, name := range profileKind.Enum {
		if _, ok := profiles[Profile(name)]; !ok {
			t.Errorf("profile %s has no keys", name)
		}
	}
}
