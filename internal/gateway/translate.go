package gateway

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway/config"
	"causeway/esp/selector"
	"causeway/ike"
	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/routing/translate"
)

// Checks lets package config, which knows no protocol, ask what an identity or
// a proposal may look like.
func Checks() config.Checks {
	return config.Checks{
		Identity: func(text string) error {
			_, err := auth.ParseIdentity(text)
			return err
		},
		Proposal: func(protocol, text string) error {
			_, err := parserOf(protocol)(protocolOf(protocol), text)
			return err
		},
		Auth: checkAuth,
		ProposalDoubt: func(protocol, text string) string {
			p, err := parserOf(protocol)(protocolOf(protocol), text)
			if err != nil {
				return ""
			}
			if t, readable := p.Readable(); readable {
				return fmt.Sprintf("%v does not encrypt: with it whoever is on the path can read the traffic, though not change it", t)
			}
			return weak(p)
		},
	}
}

// weak says what a proposal has that is only there for old peers.
func weak(p transform.Proposal) string {
	var why []string
	for _, t := range p.Transforms {
		switch {
		case t.Type == transform.Encryption && t.ID == transform.TripleDES:
			why = append(why, "3des has blocks of 64 bits, so that a key may only encrypt little and Child SAs are rekeyed every 512 MiB; it is slow as well")
		case t.Type == transform.KeyExchange && t.ID == transform.MODP1024:
			why = append(why, "modp1024 (group 2) is within reach of whoever can afford to compute in advance, and what is recorded today can be read then")
		case t.Type == transform.KeyExchange && t.ID == transform.MODP1536:
			why = append(why, "modp1536 (group 5) is too short for what has to stay secret for long")
		}
	}
	if len(why) == 0 {
		return ""
	}
	return strings.Join(why, "; ") + "; use it only while the peer has nothing better"
}

// parserOf reads the proposals of a protocol of package config.
func parserOf(name string) func(transform.Protocol, string) (transform.Proposal, error) {
	if strings.HasSuffix(name, "v1") {
		return transform.ParseIKEv1Proposal
	}
	return transform.ParseProposal
}

func protocolOf(name string) transform.Protocol {
	if strings.HasPrefix(name, "ike") {
		return transform.IKE
	}
	return transform.ESP
}

// connections is what the engine is to run for the configuration.
func connections(cfg *config.Config, fetcher auth.Fetcher) ([]ike.Connection, error) {
	out := make([]ike.Connection, 0, len(cfg.Connections))
	for _, c := range cfg.Connections {
		settings, err := settingsOf(cfg, c, fetcher)
		if err != nil {
			return nil, err
		}
		conn := ike.Connection{Settings: settings, Start: startOf(c.Start), Idle: c.Idle, RemotePort: uint16(c.Remote.Port)}
		for _, a := range c.Remote.Addresses {
			conn.Remotes = append(conn.Remotes, a.String())
		}
		out = append(out, conn)
	}
	return out, nil
}

func startOf(s config.Start) ike.StartPolicy {
	switch s {
	case config.StartOnTraffic:
		return ike.StartOnTraffic
	case config.StartOnDemand:
		return ike.StartOnDemand
	}
	return ike.StartAlways
}

func settingsOf(cfg *config.Config, c config.Connection, fetcher auth.Fetcher) (*sa.Settings, error) {
	s := &sa.Settings{
		Name:              c.Name,
		Version:           c.IKE.Version,
		Aggressive:        c.IKE.Aggressive,
		LocalAddresses:    cfg.Gateway.Listen.Addresses,
		PSK:               auth.NewSecret(c.Auth.PSK.Bytes()),
		Children:          childrenOf(c),
		IKELifetime:       c.IKE.Lifetime,
		DPD:               c.IKE.DPD,
		FragmentSize:      c.IKE.FragmentSize,
		MOBIKE:            c.IKE.MOBIKE,
		ForbidNAT:         c.IKE.ForbidNAT,
		SessionResumption: c.IKE.SessionResumption,
		CrashDetection:    c.IKE.CrashDetection,
		Childless:         sa.Childless(c.IKE.Childless),
		MessageIDSync:     c.IKE.MessageIDSync,
		FollowRedirects:   c.IKE.FollowRedirects,
		RedirectTo:        c.IKE.RedirectTo,

		Reauthentication: c.IKE.Reauth,
		Resources:        resourcesOf(cfg, &c),
		ChildLifetime:    sa.Lifetime{Time: c.ESP.Lifetime, Bytes: c.ESP.LifetimeBytes, Packets: uint64(c.ESP.LifetimePackets)},

		// ESP is in UDP wherever the peer can. A peer whose kernel does ESP answers
		// in UDP only where it sees a NAT, so one is claimed.
		ForceEncapsulation: c.ESP.Encapsulation != config.EncapsulationNever,
		BareESP:            c.ESP.Encapsulation == config.EncapsulationNever,
		RespondOnly:        c.Mode == config.RespondOnly || c.Remote.Any,
		InitiateOnly:       c.Mode == config.InitiateOnly,
	}
	made, problems := credentialsOf(&c.Auth, fetcher)
	if len(problems) > 0 {
		return nil, fmt.Errorf("connection %s: auth.%s: %s", c.Name, problems[0].Key, problems[0].What)
	}
	s.Credentials, s.Trust = made.local, made.remote
	if p := c.Auth.PPK; p.ID != "" {
		s.PPK = &sa.PPK{ID: p.ID, Secret: auth.NewSecret(p.Secret.Bytes()), Required: p.Required}
	}
	var err error
	if s.XAUTH, s.ModeConfig, err = loginOf(&c); err != nil {
		return nil, err
	}
	s.RemoteAddresses = literalAddresses(c.Remote)
	if s.LocalIdentity, err = identityOf(c.Local.Identity, cfg.Gateway.Identity); err != nil {
		return nil, err
	}
	if s.RemoteIdentity, err = identityOf(c.Remote.Identity, nameOf(c.Remote)); err != nil {
		return nil, err
	}
	// Only the word `any` is an identity that is no identity.
	s.AnyRemoteIdentity = c.Remote.Identity != "" && s.RemoteIdentity.IsZero()
	s.IKEProposals, s.ESPProposals, err = algorithmsOf(c)
	return s, err
}

// leastPerCore is how many Child SAs for single workers a peer may ask for at least,
// which may have more processors than this host.
const leastPerCore = 16

// resourcesOf is how many Child SAs for single workers there may be. Where there is one
// socket for all ESP there is no use in asking for any.
func resourcesOf(cfg *config.Config, c *config.Connection) sa.Resources {
	workers := cfg.Gateway.Workers
	if workers == 0 {
		workers = processors
	}
	most := c.ESP.PerCore
	if most == config.PerCoreAuto {
		most = max(2*workers, leastPerCore) // RFC 9611 §6
	}
	if workers == 1 || without(cfg, config.OffloadSPISteering) {
		workers = 0
	}
	return sa.Resources{Workers: min(workers, most), Most: most}
}

// loginOf is what IKEv1 has between phase 1 and its Child SAs.
func loginOf(c *config.Connection) (*sa.XAUTH, sa.ModeConfig, error) {
	mode := sa.ModeConfig{Request: c.IKE.ModeConfig == config.ModeConfigRequest, Push: c.IKE.ModeConfig == config.ModeConfigPush}
	if c.IKE.ModeConfig == config.ModeConfigAssign || mode.Push {
		mode.Assign, _ = c.AssignedFrom()
		told := c.IKE.Client
		mode.Client = sa.Client{DNS: told.DNS, WINS: told.WINS, Domain: told.Domain, SplitDNS: told.SplitDNS, Banner: told.Banner}
	}
	x := c.Auth.XAUTH
	switch {
	case x.IsZero():
		return nil, mode, nil
	case x.Users.IsZero():
		return &sa.XAUTH{User: x.User, Password: auth.NewSecret(x.Password().Bytes())}, mode, nil
	}
	logins, err := x.Logins()
	if err != nil {
		return nil, mode, err
	}
	users := make(map[string]auth.Secret, len(logins))
	for name, password := range logins {
		users[name] = auth.NewSecret(password.Bytes())
	}
	return &sa.XAUTH{Users: users}, mode, nil
}

// algorithmsOf are the proposals of a connection, in its version of IKE.
func algorithmsOf(c config.Connection) (forIKE, forESP []transform.Proposal, err error) {
	parse, ikeDefaults, espDefaults := transform.ParseProposal, transform.DefaultIKEProposals, transform.DefaultESPProposals
	if c.IKE.Version == 1 {
		parse, ikeDefaults, espDefaults = transform.ParseIKEv1Proposal, transform.DefaultIKEv1Proposals, transform.DefaultIKEv1ESPProposals
	}
	if forIKE, err = proposals(parse, transform.IKE, c.IKE.Proposals, ikeDefaults); err != nil {
		return nil, nil, err
	}
	forESP, err = proposals(parse, transform.ESP, c.ESP.Proposals, espDefaults)
	return forIKE, forESP, err
}

// literalAddresses are the addresses that a peer must come from; none when a
// DNS name is among them, since what it resolves to may change at any time and
// the identity decides then.
func literalAddresses(r config.Remote) []netip.Addr {
	var out []netip.Addr
	for _, a := range r.Addresses {
		if a.Name != "" {
			return nil
		}
		out = append(out, a.IP)
	}
	return out
}

// nameOf is the identity that a peer known by a DNS name is expected to show.
// A peer known by addresses shows the one in use, which the machine knows.
func nameOf(r config.Remote) string {
	if len(r.Addresses) > 0 {
		return r.Addresses[0].Name
	}
	return ""
}

// identityOf parses the first of texts that is not empty; none is the zero
// identity.
func identityOf(texts ...string) (auth.Identity, error) {
	for _, text := range texts {
		if text != "" {
			return auth.ParseIdentity(text)
		}
	}
	return auth.Identity{}, nil
}

func proposals(parse func(transform.Protocol, string) (transform.Proposal, error), p transform.Protocol, texts []string, byDefault func() []transform.Proposal) ([]transform.Proposal, error) {
	if len(texts) == 0 {
		return byDefault(), nil
	}
	out := make([]transform.Proposal, 0, len(texts))
	for _, text := range texts {
		proposal, err := parse(p, text)
		if err != nil {
			return nil, err
		}
		out = append(out, proposal)
	}
	return out, nil
}

// childrenOf are the Child SAs that a connection wants. Route-based: one, from
// anything to anything, which the peer may narrow; routes decide what enters
// it. Policy-based: one with all networks of both sides.
func childrenOf(c config.Connection) []sa.ChildSettings {
	if isTransport(&c) {
		return hostChildren(c)
	}
	if c.IKE.Version == 1 {
		return pairsOf(c)
	}
	if c.Type == config.RouteBased {
		return []sa.ChildSettings{{Name: c.Name, Local: anyOf(c), Remote: anyOf(c)}}
	}
	if c.ChildPerPair {
		return pairsOf(c)
	}
	table := translationOf(c)
	return []sa.ChildSettings{{
		Name: c.Name, Local: selectorsOf(c.Local.Networks, table.Local), Remote: selectorsOf(c.Remote.Networks, table.Remote),
	}}
}

// translationOf is the address translation of a connection, nil if it has none.
// What could be wrong with the rules the configuration refuses.
func translationOf(c config.Connection) *translate.Table {
	rules := make([]translate.Rule, len(c.Translate))
	for i, r := range c.Translate {
		rules[i] = translate.Rule{Inside: r.Inside, Outside: r.Outside, Direction: translate.Egress}
		if r.Direction == config.Ingress {
			rules[i].Direction = translate.Ingress
		}
	}
	table, err := translate.Compile(rules)
	if err != nil {
		panic(err)
	}
	return table
}

// pairsOf are the Child SAs of a connection that speaks IKEv1, where each has one
// range of addresses on either side: one for each pair of networks.
func pairsOf(c config.Connection) []sa.ChildSettings {
	local, remote := anyOf(c), anyOf(c)
	if c.Type != config.RouteBased {
		table := translationOf(c)
		local, remote = selectorsOf(c.Local.Networks, table.Local), selectorsOf(c.Remote.Networks, table.Remote)
	}
	var out []sa.ChildSettings
	for _, l := range local {
		for _, r := range remote {
			if l.Is4() == r.Is4() {
				out = append(out, sa.ChildSettings{Name: fmt.Sprintf("%s-%d", c.Name, len(out)+1), Local: selector.List{l}, Remote: selector.List{r}})
			}
		}
	}
	if len(out) == 1 {
		out[0].Name = c.Name
	}
	return out
}

// anyOf is 0.0.0.0/0, ::/0, or both, by the families of the remote networks: a
// peer without IPv6 need not be asked for it.
func anyOf(c config.Connection) selector.List {
	var out selector.List
	for _, s := range selector.Any() {
		if slices.ContainsFunc(c.Remote.Networks, func(p netip.Prefix) bool { return p.Addr().Is4() == s.Is4() }) {
			out = append(out, s)
		}
	}
	return out
}

// selectorsOf are the networks as the peer knows them.
func selectorsOf(networks []netip.Prefix, known func(netip.Prefix) netip.Prefix) selector.List {
	out := make(selector.List, 0, len(networks))
	for _, p := range networks {
		out = append(out, selector.FromPrefix(known(p)))
	}
	return out
}
