package config

import (
	"cmp"
	"slices"
)

// ikev1 checks what only IKEv1 has, and what it has not.
func (d *decoder) ikev1(c *Connection) {
	if c.IKE.Version != 1 {
		if !c.Auth.XAUTH.IsZero() {
			d.fail(c, "auth.xauth", "logins with XAUTH are of IKEv1: leave it out, or set ike.version: 1")
		}
		if c.IKE.ModeConfig != ModeConfigOff {
			d.fail(c, "ike.mode_config", "Mode Config is of IKEv1: leave it out, or set ike.version: 1")
		}
		if !c.IKE.Client.IsZero() {
			d.fail(c, "ike.client", "clients that are told of names are of IKEv1: leave it out, or set ike.version: 1")
		}
		if c.IKE.Aggressive {
			d.fail(c, "ike.aggressive", "Aggressive Mode is of IKEv1: leave it out, or set ike.version: 1")
		}
		return
	}
	if a := c.Auth; a.Local != "" && (a.Local != a.Remote || a.Local == MethodPublicKey) {
		d.fail(c, "auth", "in IKEv1 both ends authenticate in one way, with a pre-shared key or with certificates: use ike.version: 2 for anything else")
	}
	if c.Auth.PPK.ID != "" {
		d.fail(c, "auth.ppk", "post-quantum keys are an extension of IKEv2: leave it out, or use ike.version: 2")
	}
	if c.IKE.ForbidNAT {
		d.fail(c, "ike.forbid_nat", "that there is no NAT can be held against a peer in IKEv2 only: leave it out, or use ike.version: 2")
	}
	if c.ESP.PerCore != 0 {
		d.fail(c, "esp.per_core", "Child SAs for single workers are an extension of IKEv2: leave it out, or use ike.version: 2")
	}
	d.unheard(c)
	d.xauth(c)
	d.modeConfig(c)
	switch {
	case c.IKE.Aggressive && c.Auth.Local == MethodPSK:
		d.warn(c, "ike.aggressive", "Aggressive Mode shows both identities to everybody on the path, and gives whoever asks a hash to guess the pre-shared key from: use Main Mode if the peer has it, else a key of 32 random characters or more")
	case c.IKE.Aggressive:
		d.warn(c, "ike.aggressive", "Aggressive Mode shows both identities to everybody on the path: use Main Mode if the peer has it")
	}
}

// unheard warns of settings that IKEv1 does nothing with. They may be those of
// defaults, for the other connections.
func (d *decoder) unheard(c *Connection) {
	for _, setting := range []struct {
		key  string
		used bool
	}{
		{"ike.mobike", c.IKE.MOBIKE}, {"ike.session_resumption", c.IKE.SessionResumption}, {"ike.redirect_to", c.IKE.RedirectTo != ""},
		{"ike.childless", c.IKE.Childless == ChildlessPrefer || c.IKE.Childless == ChildlessForce}, {"auth.signatures", len(c.Auth.Signatures) > 0},
	} {
		if setting.used {
			d.warn(c, setting.key, "is of IKEv2, and has no effect on a connection with ike.version: 1")
		}
	}
}

// mostStrangersV1 is with how many keys a message of an unknown peer is tried.
const mostStrangersV1 = 64

// strangersV1 finds connections that a peer of IKEv1 may be meant for and never gets:
// whoever comes in Main Mode shows who he is under the pre-shared key, which has to be
// found by trying all.
func (d *decoder) strangersV1(connections []Connection) {
	byLogin := map[bool][]*Connection{}
	for i := range connections {
		c := &connections[i]
		named := slices.ContainsFunc(c.Remote.Addresses, func(a Address) bool { return a.Name != "" })
		if c.IKE.Version == 1 && !c.IKE.Aggressive && c.Auth.Local == MethodPSK && (c.Remote.Any || named) && c.Mode != InitiateOnly {
			login := !c.Auth.XAUTH.IsZero()
			byLogin[login] = append(byLogin[login], c)
		}
	}
	for _, all := range byLogin {
		if len(all) <= mostStrangersV1 {
			continue
		}
		slices.SortFunc(all, func(a, b *Connection) int { return cmp.Compare(a.Name, b.Name) })
		c := all[mostStrangersV1]
		d.fail(c, "remote.address", "connection %s is one of %d with ike.version: 1 and a pre-shared key whose peers may come from anywhere; the keys of the first %d by name are tried: use ike.version: 2, certificates or addresses",
			clip(c.Name), len(all), mostStrangersV1)
	}
}
