package config

// mostTranslations is as many rules as a connection may have: each packet is
// compared with them one by one.
const mostTranslations = 100

// translations checks the rules of a connection, each by itself and against
// those before it.
func (d *decoder) translations(c *Connection) {
	if n := len(c.Translate); n > mostTranslations {
		d.fail(c, "translate", "has %d rules: a connection can have %d", n, mostTranslations)
		return
	}
	for i := range c.Translate {
		d.translation(c, i)
	}
}

func (d *decoder) translation(c *Connection, i int) {
	r, here := c.Translate[i], index("translate", i)
	if d.broken[d.path(c, here)] {
		return
	}
	complete := true
	for _, name := range []string{"inside", "outside", "direction"} {
		if !d.given(c, here+"."+name) {
			d.fail(c, here, "has no %s: a rule has inside, outside and direction", name)
			complete = false
		}
	}
	if !complete || !r.Inside.IsValid() || !r.Outside.IsValid() || r.Direction == "" {
		return
	}
	switch {
	case r.Inside.Addr().Is4() != r.Outside.Addr().Is4():
		d.fail(c, here, "translates %s to %s: both must be IPv4, or both IPv6", r.Inside, r.Outside)
		return
	case r.Inside.Bits() != r.Outside.Bits():
		d.fail(c, here, "translates %s to %s: both must have the same prefix length, as each address has one translation", r.Inside, r.Outside)
		return
	case r.Inside == r.Outside:
		d.fail(c, here, "translates %s to itself: leave the rule out", r.Inside)
		return
	}
	for k, o := range c.Translate[:i] {
		if o.Direction != r.Direction || !o.Inside.IsValid() || !o.Outside.IsValid() {
			continue
		}
		if o.Inside.Overlaps(r.Inside) || o.Outside.Overlaps(r.Outside) {
			d.fail(c, here, "overlaps %s, %s to %s (line %d): each address can have one translation only",
				index("translate", k), o.Inside, o.Outside, d.place(d.path(c, index("translate", k))).line)
		}
	}
	networks, key := c.Local.Networks, "local.networks"
	side := r.Inside
	if r.Direction == Ingress {
		networks, key, side = c.Remote.Networks, "remote.networks", r.Outside
	}
	for _, n := range networks {
		if c.Type == PolicyBased && n.IsValid() && n.Bits() < side.Bits() && n.Overlaps(side) {
			d.fail(c, here, "translates a part of %s of %s: policy-based negotiates networks as the peer knows them, so each must be translated whole or not at all", n, key)
		}
	}
}
