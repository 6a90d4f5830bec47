package config

// What the file can say and this version does not do. To lift a limit, take
// its lines out; the key, its schema and its reference are already there.

// limits are those of a connection.
func (d *decoder) limits(c *Connection) {
	if a := c.Auth; c.IKE.Version == 1 && a.Local != "" && (a.Local != a.Remote || a.Local == MethodPublicKey) {
		d.fail(c, "auth", "in IKEv1 both ends authenticate in one way, with a pre-shared key or with certificates: use ike.version: 2 for anything else")
	}
	if c.IKE.Version == 1 && c.Auth.PPK.ID != "" {
		d.fail(c, "auth.ppk", "post-quantum keys are an extension of IKEv2: leave it out, or use ike.version: 2")
	}
}
