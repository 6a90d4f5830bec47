package config

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
	d.xauth(c)
	d.modeConfig(c)
	switch {
	case c.IKE.Aggressive && c.Auth.Local == MethodPSK:
		d.warn(c, "ike.aggressive", "Aggressive Mode shows both identities to everybody on the path, and gives whoever asks a hash to guess the pre-shared key from: use Main Mode if the peer has it, else a key of 32 random characters or more")
	case c.IKE.Aggressive:
		d.warn(c, "ike.aggressive", "Aggressive Mode shows both identities to everybody on the path: use Main Mode if the peer has it")
	}
}
