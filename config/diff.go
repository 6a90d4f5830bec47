package config

import "slices"

// Difference is what a reload has to do. A change of connections' order alone
// is none.
type Difference struct {
	// Settings are the paths of the keys outside connections whose values
	// differ, such as gateway.interface.mtu.
	Settings []string
	// Added, Removed and Changed are in the order of the new file; Removed is
	// in the order of the old.
	Added, Removed []Connection
	Changed        []Change
}

// Change is one connection before and after. Keys are the paths, within the
// connection, of what differs; auth.psk is among them if the key itself
// differs, wherever it is kept.
type Change struct {
	Old, New Connection
	Keys     []string
}

// IsZero says whether there is nothing to do.
func (d Difference) IsZero() bool {
	return len(d.Settings) == 0 && len(d.Added) == 0 && len(d.Removed) == 0 && len(d.Changed) == 0
}

// Diff compares two configurations. A nil one is a gateway with all defaults
// and no connection.
func Diff(before, after *Config) Difference {
	builtin := builtinGateway()
	if before == nil {
		before = &builtin
	}
	if after == nil {
		after = &builtin
	}
	out := Difference{Settings: slices.Concat(
		gatewayKeys.changes("gateway", &before.Gateway, &after.Gateway),
		controlKeys.changes("control", &before.Control, &after.Control),
		logKeys.changes("log", &before.Log, &after.Log),
		usageKeys.changes("usage", &before.Usage, &after.Usage),
	)}
	old := make(map[string]*Connection, len(before.Connections))
	for i := range before.Connections {
		old[before.Connections[i].Name] = &before.Connections[i]
	}
	kept := make(map[string]bool, len(after.Connections))
	for i := range after.Connections {
		c := &after.Connections[i]
		kept[c.Name] = true
		o, ok := old[c.Name]
		if !ok {
			out.Added = append(out.Added, *c)
		} else if keys := connectionKeys.changes("", o, c); len(keys) > 0 {
			out.Changed = append(out.Changed, Change{Old: *o, New: *c, Keys: keys})
		}
	}
	for _, c := range before.Connections {
		if !kept[c.Name] {
			out.Removed = append(out.Removed, c)
		}
	}
	return out
}

// Equal says whether two configurations are the same, the order of their
// connections included.
func (c *Config) Equal(o *Config) bool {
	sameName := func(a, b Connection) bool { return a.Name == b.Name }
	return Diff(c, o).IsZero() && slices.EqualFunc(c.Connections, o.Connections, sameName)
}

// Equal says whether two connections are the same.
func (c Connection) Equal(o Connection) bool {
	return c.Name == o.Name && len(connectionKeys.changes("", &c, &o)) == 0
}
