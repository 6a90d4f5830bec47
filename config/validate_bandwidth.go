package config

// share checks a connection's bandwidth against the gateway's.
func (d *decoder) share(g *Gateway, c *Connection) {
	s := c.Bandwidth
	if s.Guarantee > s.Ceiling && s.Ceiling > 0 {
		d.fail(c, "bandwidth.guarantee", "%s is more than the connection's ceiling, %s", formatRate(s.Guarantee), formatRate(s.Ceiling))
	}
	if g.Bandwidth == (Bandwidth{}) {
		for _, key := range []string{"bandwidth.guarantee", "bandwidth.weight"} {
			if d.given(c, key) {
				d.warn(c, key, "has no effect without gateway.bandwidth: of a line without limit nobody's part is less than he wants")
			}
		}
	}
	for _, limit := range []struct {
		name string
		rate uint64
	}{{"up", g.Bandwidth.Up}, {"down", g.Bandwidth.Down}} {
		if limit.rate == 0 {
			continue
		}
		if s.Ceiling > limit.rate {
			d.fail(c, "bandwidth.ceiling", "%s is more than gateway.bandwidth.%s, %s", formatRate(s.Ceiling), limit.name, formatRate(limit.rate))
		}
		if s.Guarantee > limit.rate {
			d.fail(c, "bandwidth.guarantee", "%s is more than gateway.bandwidth.%s, %s", formatRate(s.Guarantee), limit.name, formatRate(limit.rate))
		}
	}
}

// guarantees checks that the gateway can keep all of its promises at once.
func (d *decoder) guarantees(c *Config) {
	var sum uint64
	for i := range c.Connections {
		sum += c.Connections[i].Bandwidth.Guarantee
	}
	if up := c.Gateway.Bandwidth.Up; up > 0 && sum > up {
		d.at(Error, "gateway.bandwidth.up", "%s is less than the connections' guarantees together, %s", formatRate(up), formatRate(sum))
	}
	if down := c.Gateway.Bandwidth.Down; down > 0 && sum > down {
		d.at(Error, "gateway.bandwidth.down", "%s is less than the connections' guarantees together, %s", formatRate(down), formatRate(sum))
	}
}
