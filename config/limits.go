package config

// What the file can say and this version does not do. To lift a limit, take
// its lines out; the key, its schema and its reference are already there.

// limits are those of a connection.
func (d *decoder) limits(c *Connection) {
	if a := c.Auth; c.IKE.Version == 1 && (a.Local != MethodPSK || a.Remote != MethodPSK) && a.Local != "" {
		d.fail(c, "auth", "certificates and public keys are not in this version's IKEv1: use psk, psk_file or psk_env, or ike.version: 2")
	}
	if c.IKE.Version == 1 && c.Auth.PPK.ID != "" {
		d.fail(c, "auth.ppk", "post-quantum keys are an extension of IKEv2: leave it out, or use ike.version: 2")
	}
}
