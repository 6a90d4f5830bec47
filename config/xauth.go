package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// XAUTH is the login of IKEv1 beside its authentication: as whom this gateway
// logs in, or who may at this gateway.
type XAUTH struct {
	User         string // empty: this gateway does not log in
	PasswordFile File
	Users        File // a line for each user: name:password
}

// IsZero says whether there is no login.
func (x XAUTH) IsZero() bool { return x == XAUTH{} }

// Password is what the password file holds, without a newline at its end.
func (x XAUTH) Password() Secret {
	return NewSecret(strings.TrimSuffix(strings.TrimSuffix(x.PasswordFile.Data.text, "\n"), "\r"))
}

const (
	mostUsers   = 10000
	longestUser = 128 // octets, of a name and of a password
)

// Logins are the users and their passwords. An error tells the line, and nothing
// of what it holds. Lines that are empty or begin with # do not count.
func (x XAUTH) Logins() (map[string]Secret, error) {
	out := map[string]Secret{}
	number := 0
	for line := range strings.Lines(x.Users.Data.text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		name, password, ok := strings.Cut(line, ":")
		_, twice := out[name]
		switch {
		case !ok || name == "" || password == "":
			return nil, fmt.Errorf("%s: line %d is not of the form name:password", quote(x.Users.Path), number)
		case len(name) > longestUser || len(password) > longestUser:
			return nil, fmt.Errorf("%s: line %d has a name or a password of more than %d octets", quote(x.Users.Path), number, longestUser)
		case twice:
			return nil, fmt.Errorf("%s: line %d has a name that was there before", quote(x.Users.Path), number)
		case len(out) == mostUsers:
			return nil, fmt.Errorf("%s: has more than %d users", quote(x.Users.Path), mostUsers)
		}
		out[name] = NewSecret(password)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: has no user", quote(x.Users.Path))
	}
	return out, nil
}

// ModeConfig is what becomes of an address inside of an IKEv1 tunnel that one end
// gives the other.
type ModeConfig string

// What becomes of such an address.
const (
	ModeConfigOff     ModeConfig = "off"
	ModeConfigRequest ModeConfig = "request" // this gateway asks for one
	ModeConfigAssign  ModeConfig = "assign"  // the peer gets one when it asks
	ModeConfigPush    ModeConfig = "push"    // the peer gets one unasked
)

// Client is what a peer is told that gets an address from this gateway.
type Client struct {
	DNS, WINS []netip.Addr
	Domain    string
	SplitDNS  []string
	Banner    string
}

// IsZero says whether there is nothing to tell.
func (c *Client) IsZero() bool {
	return len(c.DNS) == 0 && len(c.WINS) == 0 && c.Domain == "" && len(c.SplitDNS) == 0 && c.Banner == ""
}

// xauth reads the files of a login and checks them.
func (d *decoder) xauth(c *Connection) {
	x := &c.Auth.XAUTH
	if x.IsZero() {
		return
	}
	switch {
	case !x.Users.IsZero() && (x.User != "" || !x.PasswordFile.IsZero()):
		d.fail(c, "auth.xauth", "has users, and user or password_file: either the peer logs in here, or this gateway at the peer")
		return
	case x.Users.IsZero() && x.User == "":
		d.fail(c, "auth.xauth.user", "is required beside password_file")
		return
	case x.Users.IsZero() && x.PasswordFile.IsZero():
		d.fail(c, "auth.xauth.password_file", "is required beside user")
		return
	}
	d.read(&x.PasswordFile, d.path(c, "auth.xauth.password_file"), "a password", true)
	d.read(&x.Users, d.path(c, "auth.xauth.users"), "users", true)
	if len(x.Users.Data.text) > 0 {
		if _, err := x.Logins(); err != nil {
			d.fail(c, "auth.xauth.users", "%v", err)
		}
	}
	switch {
	case len(x.Password().text) > longestUser:
		d.fail(c, "auth.xauth.password_file", "holds a password of more than %d octets", longestUser)
	case c.Auth.Local == MethodPublicKey || c.Auth.Local != c.Auth.Remote: // reported elsewhere
	case !x.Users.IsZero() && c.Mode == InitiateOnly:
		d.fail(c, "auth.xauth.users", "cannot be used with mode initiate-only: who begins is who logs in")
	case !x.Users.IsZero() && c.Start != StartOnDemand:
		d.fail(c, "auth.xauth.users", "needs mode: respond-only: who begins is who logs in")
	case x.Users.IsZero() && c.Mode == RespondOnly:
		d.fail(c, "auth.xauth.user", "cannot be used where only the peer begins: who begins is who logs in")
	}
}

// modeConfig checks who gives an address to whom.
func (d *decoder) modeConfig(c *Connection) {
	switch c.IKE.ModeConfig {
	case ModeConfigRequest:
		if len(c.Local.Networks) > 0 {
			d.fail(c, "local.networks", "cannot be used with ike.mode_config request: the address that the peer gives is all that is ours in the tunnel")
		}
		if c.Type == PolicyBased {
			d.fail(c, "type", "cannot be policy-based with ike.mode_config request: use route-based")
		}
	case ModeConfigAssign, ModeConfigPush:
		if _, ok := c.AssignedFrom(); !ok {
			d.fail(c, "remote.networks", "must be one IPv4 host or network, such as [10.9.0.7/32], with ike.mode_config %s: the peer gets its address from it", c.IKE.ModeConfig)
		}
		if c.Type != PolicyBased {
			d.fail(c, "type", "must be policy-based with ike.mode_config %s: the peer may only use the address that it gets", c.IKE.ModeConfig)
		}
	}
	d.client(c)
}

// client checks what the peer is told beside its address.
func (d *decoder) client(c *Connection) {
	told := &c.IKE.Client
	if told.IsZero() {
		return
	}
	if c.IKE.ModeConfig != ModeConfigAssign && c.IKE.ModeConfig != ModeConfigPush {
		d.warn(c, "ike.client", "nobody is told of it: a peer hears it with the address that ike.mode_config assign or push gives it")
	}
	for _, l := range []struct {
		key  string
		list []netip.Addr
	}{{"dns", told.DNS}, {"wins", told.WINS}} {
		for i, a := range l.list {
			if !a.Is4() {
				d.fail(c, fmt.Sprintf("ike.client.%s[%d]", l.key, i), "must be an IPv4 address, not %v: Mode Config tells of no others", a)
			}
		}
		if len(l.list) > mostServers {
			d.fail(c, "ike.client."+l.key, "has %d addresses; at most %d are told", len(l.list), mostServers)
		}
	}
	if n := len(strings.Join(told.SplitDNS, ",")); n > longestSplitDNS {
		d.fail(c, "ike.client.split_dns", "has %d octets; at most %d fit", n, longestSplitDNS)
	}
}

const (
	mostServers     = 8
	longestSplitDNS = 1024 // octets, with commas
)

// AssignedFrom is where the peer's address is from: all of its networks, which are one.
func (c *Connection) AssignedFrom() (netip.Prefix, bool) {
	n := c.Remote.Networks
	if len(n) != 1 || !n[0].Addr().Is4() {
		return netip.Prefix{}, false
	}
	return n[0], true
}
