package config

import "slices"

// What the file can say and this version does not do. To lift a limit, take
// its lines out; the key, its schema and its reference are already there.

// limits are those of a connection.
func (d *decoder) limits(c *Connection) {
	if d.authenticatesByCertificate(c) {
		d.fail(c, "auth.certificate", "certificates are not in this version: use psk, psk_file or psk_env")
	}
}

// authenticatesByCertificate is false where a connection replaces the
// certificate of defaults by a method of its own.
func (d *decoder) authenticatesByCertificate(c *Connection) bool {
	own := d.methods(join("connections", c.Name) + ".auth.")
	if len(own) == 0 {
		own = d.methods("defaults.auth.")
	}
	return slices.Contains(own, "certificate")
}
