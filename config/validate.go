package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
)

// socketPathMax is what the kernel's sun_path holds before its end.
const socketPathMax = 107

// validate checks what one value alone cannot tell, and fills in the defaults
// that depend on other settings.
func (d *decoder) validate(doc *document) {
	d.gateway(&doc.Config)
	for i := range doc.Connections {
		d.connection(&doc.Config, &doc.Connections[i])
	}
	d.claims(doc.Connections)
	d.hosts(doc.Connections)
	d.strangers(doc.Connections)
	d.strangersV1(doc.Connections)
	d.twins(doc.Connections)
	d.guarantees(&doc.Config)
	d.exposure(doc.Connections)
	if len(doc.Connections) == 0 && !d.broken[""] && !d.broken["connections"] {
		d.at(Warning, "connections", "there is no connection: the gateway would carry nothing")
	}
}

// at reports a problem with a setting by its path; one that is not in the file
// is reported where it would stand.
func (d *decoder) at(s Severity, path, format string, args ...any) {
	m := d.place(path)
	d.report(Problem{Line: m.line, Column: m.column, Path: path, What: fmt.Sprintf(format, args...), Severity: s})
}

// place gives the line and column of a path or of the first mapping above it.
func (d *decoder) place(path string) mark {
	for {
		if m, ok := d.marks[path]; ok {
			return m
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return mark{1, 1}
		}
		path = path[:i]
	}
}

// path gives the path of a connection's setting: under defaults, if it came
// from there.
func (d *decoder) path(c *Connection, key string) string {
	own := join("connections", c.Name) + "." + key
	if inherited := "defaults." + key; !d.has(own) && d.has(inherited) {
		return inherited
	}
	return own
}

// given says whether a connection's setting is in the file.
func (d *decoder) given(c *Connection, key string) bool { return d.has(d.path(c, key)) }

// missing says whether a setting is left out; one inside something that could
// not be read is not.
func (d *decoder) missing(c *Connection, key string) bool {
	section, _, _ := strings.Cut(key, ".")
	return !d.given(c, key) && !d.broken[d.path(c, section)] && !d.broken[join("connections", c.Name)]
}

func (d *decoder) fail(c *Connection, key, format string, args ...any) {
	d.at(Error, d.path(c, key), format, args...)
}

func (d *decoder) warn(c *Connection, key, format string, args ...any) {
	d.at(Warning, d.path(c, key), format, args...)
}

func (d *decoder) gateway(c *Config) {
	g := &c.Gateway
	if g.Name == "" && !d.has("gateway.name") {
		g.Name, _ = os.Hostname() // an unnamed machine has an unnamed gateway
	}
	d.identity("gateway.identity", g.Identity)
	if g.Listen.IKEPort == g.Listen.NATPort {
		path := "gateway.listen.nat_port"
		if !d.has(path) {
			path = "gateway.listen.ike_port"
		}
		d.at(Error, path, "ike_port and nat_port are both %d: they must differ", g.Listen.IKEPort)
	}
	d.device(c)
	c.Control.Socket = d.resolve(c.Control.Socket)
	if n := len(c.Control.Socket); n > socketPathMax {
		d.at(Error, "control.socket", "is %d bytes long with the directory of this file: a socket's path can have %d", n, socketPathMax)
	}
	c.Usage.File = d.resolve(c.Usage.File)
	c.Gateway.StateDirectory = d.resolve(c.Gateway.StateDirectory)
	if c.Usage.File == "" && d.has("usage.keep") && !d.has("usage.file") {
		d.at(Warning, "usage.keep", "has no effect without usage.file: no usage is kept")
	}
	if c.Usage.File != "" && (c.Usage.File == c.Control.Socket || c.Usage.File == d.file) {
		d.at(Error, "usage.file", "is another file of this gateway: give it one of its own")
	}
	if !loopback(c.Control.HTTP) {
		d.at(Warning, "control.http", "%s can be reached from other machines, and asks for no password: use 127.0.0.1 or [::1] unless a firewall is in front of it", c.Control.HTTP)
	}
}

// loopback says whether a host:port is off or reached from this machine only.
func loopback(hostPort string) bool {
	if hostPort == "" {
		return true
	}
	host, _, _ := net.SplitHostPort(hostPort)
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// identity applies the caller's rule to an identity that is well formed so far.
func (d *decoder) identity(path, text string) {
	if d.checks.Identity == nil || text == "" || !d.has(path) {
		return
	}
	if err := d.checks.Identity(text); err != nil {
		d.at(Error, path, "%s", unprefixed(err))
	}
}

func (d *decoder) connection(config *Config, c *Connection) {
	d.identity(d.path(c, "local.identity"), c.Local.Identity)
	d.identity(d.path(c, "remote.identity"), c.Remote.Identity)
	of := ""
	if c.IKE.Version == 1 {
		of = "v1"
	}
	d.proposals(c, "ike.proposals", "ike"+of, c.IKE.Proposals)
	d.proposals(c, "esp.proposals", "esp"+of, c.ESP.Proposals)
	d.transport(&config.Gateway, c)
	d.peer(config, c)
	d.initiation(c)
	d.idle(c)
	d.selectors(c)
	d.auth(c)
	d.share(&config.Gateway, c)
	d.translations(c)
	d.paths(&config.Gateway, c)
	d.ikev1(c)
	if c.Local.Identity == "" {
		c.Local.Identity = config.Gateway.Identity
	}
}

func (d *decoder) proposals(c *Connection, key, protocol string, texts []string) {
	if d.checks.Proposal == nil {
		return
	}
	doubted := map[string]bool{}
	for i, text := range texts {
		if text == "" {
			continue // reported when it was read
		}
		if err := d.checks.Proposal(protocol, text); err != nil {
			d.fail(c, index(key, i), "%s", unprefixed(err))
		} else if d.checks.ProposalDoubt != nil {
			if doubt := d.checks.ProposalDoubt(protocol, text); doubt != "" && !doubted[doubt] {
				doubted[doubt] = true
				d.warn(c, index(key, i), "proposal %q: %s", text, doubt)
			}
		}
	}
}

// addressKey is where the peer's address number i stands: in a list or alone.
func (d *decoder) addressKey(c *Connection, i int) string {
	if key := index("remote.address", i); d.given(c, key) {
		return key
	}
	return "remote.address"
}

var packagePrefix = regexp.MustCompile(`^[a-z]+: `)

// unprefixed is an error's text without the package that it comes from, which
// tells the reader of a file nothing.
func unprefixed(err error) string { return packagePrefix.ReplaceAllString(err.Error(), "") }

// mostAddresses bounds how long a peer that is down is looked for.
const mostAddresses = 16

// peer checks where the peer is against where this gateway is.
func (d *decoder) peer(config *Config, c *Connection) {
	if d.missing(c, "remote.address") {
		d.fail(c, "remote.address", "is required: an address, a DNS name, a list of those, or any")
	}
	if len(c.Remote.Addresses) > mostAddresses {
		d.fail(c, "remote.address", "has %d addresses: at most %d are tried", len(c.Remote.Addresses), mostAddresses)
		return
	}
	for i, a := range c.Remote.Addresses {
		if !a.IP.IsValid() {
			continue
		}
		key := d.addressKey(c, i)
		d.reachable(config.Gateway.Listen.Addresses, c, key, a.IP)
	}
}

func (d *decoder) reachable(listen []netip.Addr, c *Connection, key string, peer netip.Addr) {
	family := len(listen) == 0
	for _, l := range listen {
		if l == peer {
			d.fail(c, key, "%s is an address of this gateway (gateway.listen.addresses): give the peer's", peer)
			return
		}
		family = family || !l.IsValid() || l.Is4() == peer.Is4()
	}
	if !family {
		d.fail(c, key, "%s is %s, but no address in gateway.listen.addresses is", peer, familyOf(peer))
	}
}

func familyOf(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// initiation settles who begins, when the peer's address or the mode leaves
// only one side to.
func (d *decoder) initiation(c *Connection) {
	why := ""
	switch {
	case c.Remote.Any:
		why = "remote.address any"
		if c.Mode == InitiateOnly {
			d.fail(c, "mode", "initiate-only cannot be used with remote.address any, which names nobody to call: use default or respond-only")
		}
		c.Mode = RespondOnly
	case c.Mode == RespondOnly:
		why = "mode respond-only"
	default:
		return
	}
	if c.Start != StartOnDemand && d.given(c, "start") && !d.broken[d.path(c, "start")] {
		d.fail(c, "start", "%s cannot be used with %s in connection %s, where only the peer begins: use on-demand", c.Start, why, clip(c.Name))
	}
	c.Start = StartOnDemand
}

// idle refuses what would go down only to come up again, and tells of what never
// would.
func (d *decoder) idle(c *Connection) {
	switch {
	case c.Idle == 0:
	case c.Start != StartAlways && c.ESP.TFCDummies > 0:
		d.warn(c, "idle", "never passes: the packets of esp.tfc_dummies keep the connection busy")
	case c.Start != StartAlways && c.Probe.Target.IsValid():
		d.warn(c, "idle", "never passes: the probes of probe.target keep the connection busy")
	case c.Start != StartAlways:
	case !d.given(c, "idle"): // a profile's
		c.Idle = 0
	default:
		d.fail(c, "idle", "cannot be used with start always, which keeps the connection up: use on-traffic or on-demand")
	}
}

// selectors checks that there are networks to carry.
func (d *decoder) selectors(c *Connection) {
	if c.ESP.Mode != TunnelMode {
		return
	}
	if d.missing(c, "remote.networks") {
		d.fail(c, "remote.networks", "is required: a list of networks behind the peer, such as [10.2.0.0/16]")
	}
	if c.Type != PolicyBased {
		return
	}
	if len(c.Local.Networks) == 0 {
		if d.missing(c, "local.networks") {
			d.fail(c, "local.networks", "is required by type policy-based: a list of networks behind this gateway, such as [10.1.0.0/16]")
		}
		return
	}
	var have4, have6 bool
	for _, n := range c.Local.Networks {
		have4 = have4 || n.Addr().Is4() || !n.IsValid()
		have6 = have6 || n.Addr().Is6() || !n.IsValid()
	}
	for i, n := range c.Remote.Networks {
		if n.IsValid() && (n.Addr().Is4() && !have4 || n.Addr().Is6() && !have6) {
			d.fail(c, index("remote.networks", i), "%s is %s, but no network in local.networks is: policy-based needs both sides of a family", n, familyOf(n.Addr()))
		}
	}
	d.childPairs(c)
}

// mostPairs bounds the Child SAs of a connection to what one IKE SA may have. IKEv1 does
// not say which one a new Child SA replaces, so that there is room for as many again.
const mostPairs, mostPairsV1 = 256, 128

// childPairs checks that not too many Child SAs are wanted, where each is for one pair of
// networks.
func (d *decoder) childPairs(c *Connection) {
	most, key, why := mostPairs, "child_per_pair", "leave it out, so that one Child SA is for all, or name fewer, wider networks"
	switch {
	case c.IKE.Version == 1:
		most, key, why = mostPairsV1, "remote.networks", "IKEv1 has a Child SA for each pair: name fewer, wider networks"
	case !c.ChildPerPair:
		return
	}
	if n := pairsOf(c.Local.Networks, c.Remote.Networks); n > most {
		d.fail(c, key, "makes %d pairs of a local and a remote network, and at most %d are allowed: %s", n, most, why)
	}
}

// pairsOf counts the pairs of one family.
func pairsOf(local, remote []netip.Prefix) (n int) {
	for _, l := range local {
		for _, r := range remote {
			if l.IsValid() && r.IsValid() && l.Addr().Is4() == r.Addr().Is4() {
				n++
			}
		}
	}
	return n
}
