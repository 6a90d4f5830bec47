package config

import (
	"math"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"
)

var connectionKeys = section[Connection]{
	value(Key{Name: "profile", Doc: "The defaults for a peer of a certain make; the connection's own keys go before them, and they go before `defaults`. See Profiles above.",
		Default: "none", Example: "strongswan"},
		profileKind, func(c *Connection) *Profile { return &c.Profile }),
	nested(Key{Name: "local", Doc: "This gateway's side."}, localKeys,
		func(c *Connection) *Local { return &c.Local }),
	nested(Key{Name: "remote", Doc: "The peer's side."}, remoteKeys,
		func(c *Connection) *Remote { return &c.Remote }),
	nested(Key{Name: "auth", Doc: "How both sides prove who they are. One of `psk`, `psk_file`, `psk_env`, `certificate` and `public_key` for both sides, or with `local` and `remote` one for each. A connection that names a method has none of the others of `defaults`; of the same one it has what it does not give itself."}, authKeys,
		func(c *Connection) *Auth { return &c.Auth }),
	value(Key{Name: "type", Doc: "`route-based` negotiates any-to-any selectors and accepts narrower ones: routes decide what is carried. " +
		"`policy-based` negotiates `local.networks` and `remote.networks`.", Default: "route-based", Example: "policy-based"},
		enum(RouteBased, PolicyBased), func(c *Connection) *Type { return &c.Type }),
	value(Key{Name: "child_per_pair", Doc: "Whether `policy-based` negotiates a Child SA for each pair of a local and a remote network, as some makes want it, instead of one for all; at most 256 pairs.",
		Default: "false", Example: "true"},
		truth, func(c *Connection) *bool { return &c.ChildPerPair }),
	value(Key{Name: "start", Doc: "`always` keeps the connection up; `on-traffic` brings it up when a packet wants it, and sends the first packets then: up to 64 and 64 KiB of them wait for at most 5 s; " +
		"`on-demand` waits for a command or for the peer. A connection that only responds is `on-demand`.", Default: "always", Example: "on-traffic"},
		enum(StartAlways, StartOnTraffic, StartOnDemand), func(c *Connection) *Start { return &c.Start }),
	value(Key{Name: "idle", Doc: "The connection is taken down when it carried no packet for so long, and at most a fifth longer; how it comes up again `start` says. Not with `always`.", Default: "off", Example: "5m"},
		either("off", duration(10*time.Second, 24*time.Hour)), func(c *Connection) *time.Duration { return &c.Idle }),
	value(Key{Name: "mode", Doc: "Who may begin the negotiation; `default` is both sides.", Default: "default", Example: "respond-only"},
		enum(ModeDefault, InitiateOnly, RespondOnly), func(c *Connection) *Mode { return &c.Mode }),
	nested(Key{Name: "ike", Doc: "The IKE SA: the negotiation's own security association."}, ikeKeys,
		func(c *Connection) *IKE { return &c.IKE }),
	nested(Key{Name: "esp", Doc: "The Child SA: the security association that carries traffic."}, espKeys,
		func(c *Connection) *ESP { return &c.ESP }),
	nested(Key{Name: "direct", Doc: "A private line to the remote networks, such as ExpressRoute: it carries their packets while its probes are answered, and the tunnel when they are not."}, directKeys,
		func(c *Connection) *Direct { return &c.Direct }),
	nested(Key{Name: "probe", Doc: "Asks through the tunnel whether the site answers; while it does not, another connection with the same networks goes first."}, probeKeys,
		func(c *Connection) *Probe { return &c.Probe }),
	value(Key{Name: "metric", Doc: "Which of several connections with the same remote network carries its packets: the lowest that is up. " +
		"Connections with equal metrics share the flows.", Default: "100", Example: "200"},
		whole[int](1, 65535, "a number from 1 to 65535"), func(c *Connection) *int { return &c.Metric }),
	value(Key{Name: "transit", Doc: "Whether packets may pass between this connection's sites and those of other connections that allow it, too: a hub between them.",
		Default: "false", Example: "true"},
		truth, func(c *Connection) *bool { return &c.Transit }),
	records(Key{Name: "translate", Doc: "Static one-to-one address translation, for sites whose networks overlap: see [Overlapping networks](#overlapping-networks).",
		Otherwise: "none", Example: "[{inside: 10.0.0.0/24, outside: 100.64.1.0/24, direction: egress}]"},
		translationKeys, "a list of rules, each with inside, outside and direction", func(c *Connection) *[]Translation { return &c.Translate }),
	nested(Key{Name: "bandwidth", Doc: "This connection's part of the gateway's bandwidth."}, shareKeys,
		func(c *Connection) *Share { return &c.Bandwidth }),
}

const networksAllowed = "a list of networks, such as [10.1.0.0/16, \"2001:db8:1::/48\"]"

var localKeys = section[Local]{
	value(Key{Name: "identity", Doc: "How this gateway names itself to the peer.", Otherwise: "`gateway.identity`, else the outer address in use", Example: "hq.example.com"},
		identity, func(l *Local) *string { return &l.Identity }),
	list(Key{Name: "networks", Doc: "What is behind this gateway. `policy-based` needs it.", Otherwise: "none", Example: "[10.1.0.0/16]"},
		network, networksAllowed, func(l *Local) *[]netip.Prefix { return &l.Networks }),
}

var remoteKeys = section[Remote]{
	addresses(Key{Name: "address", Doc: "Where the peer is. A list is tried in order, and the first again while another is in use; with `any` the peer may come from everywhere, and this gateway only responds.",
		Otherwise: "required", Example: "203.0.113.5"}),
	value(Key{Name: "port", Doc: "The peer's UDP port for IKE. Another than 500 is used for everything, ESP included, as if there were a NAT.", Default: "500", Example: "4500"},
		whole[int](1, 65535, "a port from 1 to 65535"), func(r *Remote) *int { return &r.Port }),
	value(Key{Name: "identity", Doc: "What the peer must name itself.", Otherwise: "the peer's outer address; with `any`, whatever it names itself", Example: "branch.example.com"},
		identity, func(r *Remote) *string { return &r.Identity }),
	list(Key{Name: "networks", Doc: "What is behind the peer: routed to this connection. Of two networks that hold an address the longer prefix wins.",
		Otherwise: "required", Example: "[10.2.0.0/16]"},
		network, networksAllowed, func(r *Remote) *[]netip.Prefix { return &r.Networks }),
}

var authKeys = section[Auth]{
	value(Key{Name: "psk", Doc: "The pre-shared key itself, taken as it is written. Better keep it in a file of its own.", Otherwise: "one method is required", Example: "\"f1Zq0vX5tS9rW2mK8bYc\""},
		secretText, func(a *Auth) *Secret { return &a.PSK }),
	value(Key{Name: "psk_file", Doc: "A file that holds the pre-shared key; a newline at its end is left out.", Otherwise: "one method is required", Example: "azure-west.psk"},
		filePath, func(a *Auth) *string { return &a.PSKFile }),
	value(Key{Name: "psk_env", Doc: "An environment variable that holds the pre-shared key.", Otherwise: "one method is required", Example: "AZURE_WEST_PSK"},
		variable, func(a *Auth) *string { return &a.PSKEnv }),
	value(Key{Name: "psk_encoding", Doc: "How the pre-shared key is written: `text` is taken as it is, `hex` (with or without 0x) and `base64` stand for other octets.", Otherwise: "text", Example: "text"},
		pskEncoding, func(a *Auth) *PSKEncoding { return &a.PSKEncoding }),
	nested(Key{Name: "certificate", Doc: "X.509 certificates."}, certificateKeys,
		func(a *Auth) *Certificate { return &a.Certificate }),
	nested(Key{Name: "public_key", Doc: "Raw public keys, without certificates (RFC 7670)."}, publicKeyKeys,
		func(a *Auth) *PublicKey { return &a.PublicKey }),
	value(Key{Name: "local", Doc: "Which of the methods this gateway uses, where there are several.", Otherwise: "the only one", Example: "certificate"},
		methodKind, func(a *Auth) *Method { return &a.Local }),
	value(Key{Name: "remote", Doc: "Which of the methods the peer uses, where there are several.", Otherwise: "the only one", Example: "psk"},
		methodKind, func(a *Auth) *Method { return &a.Remote }),
	list(Key{Name: "signatures", Doc: "The ways to sign, in order of preference: with which this gateway does, and which the peer may use (RFC 7427).",
		Otherwise: "all but `rsa-sha1`, RSASSA-PSS before PKCS #1 v1.5", Example: "[rsa-sha256, ecdsa-sha256]"},
		signature, "a list of signature schemes, such as [rsa-pss-sha256, ecdsa-sha256]", func(a *Auth) *[]string { return &a.Signatures }),
	nested(Key{Name: "ppk", Doc: "A post-quantum pre-shared key (RFC 8784), mixed into the keys beside any method: who breaks Diffie-Hellman later still lacks it."}, ppkKeys,
		func(a *Auth) *PPK { return &a.PPK }),
	nested(Key{Name: "xauth", Doc: "IKEv1 only: a login with user and password (XAUTH) after the authentication. Who begins is who logs in."}, xauthKeys,
		func(a *Auth) *XAUTH { return &a.XAUTH }),
}

var xauthKeys = section[XAUTH]{
	value(Key{Name: "user", Doc: "As whom this gateway logs in at the peer.", Otherwise: "this gateway does not log in", Example: "branch-7"},
		word("a name of at most 128 letters, digits, and . _ - @ \\", `^[A-Za-z0-9._@\\-]{1,128}$`), func(x *XAUTH) *string { return &x.User }),
	value(Key{Name: "password_file", Doc: "A file that holds the password; a newline at its end is left out.", Otherwise: "required beside `user`", Example: "branch-7.password"},
		fileName, func(x *XAUTH) *File { return &x.PasswordFile }),
	value(Key{Name: "users", Doc: "A file of those who may log in here, a line for each: `name:password`. Five wrong logins in a row close the connection's door for a minute.", Otherwise: "the peer need not log in", Example: "users.txt"},
		fileName, func(x *XAUTH) *File { return &x.Users }),
}

var ppkKeys = section[PPK]{
	value(Key{Name: "id", Doc: "The name of the key, the same at both ends.", Otherwise: "required, if there is a key", Example: "azure-2026"},
		word("a name of at most 64 letters, digits, and . _ - @", `^[A-Za-z0-9._@-]{1,64}$`), func(p *PPK) *string { return &p.ID }),
	value(Key{Name: "secret", Doc: "The key itself, taken as it is written; 256 random bits or more.", Otherwise: "this or `file` is required", Example: "\"T3kQ9vX5tS9rW2mK8bYcf1Zq0vX5tS9rW2mK8bYc\""},
		secretText, func(p *PPK) *Secret { return &p.Secret }),
	value(Key{Name: "file", Doc: "A file that holds the key; a newline at its end is left out.", Otherwise: "this or `secret` is required", Example: "azure-west.ppk"},
		filePath, func(p *PPK) *string { return &p.File }),
	value(Key{Name: "required", Doc: "Refuse a peer that does not have the key; otherwise go on without it.", Default: "false", Example: "true"},
		truth, func(p *PPK) *bool { return &p.Required }),
}

var pskEncoding = enum(PSKText, PSKHex, PSKBase64)

var methodKind = enum(MethodPSK, MethodCertificate, MethodPublicKey)

// signature is checked later, by the package that knows schemes.
var signature = word("a signature scheme, such as rsa-pss-sha256, ecdsa-sha384 or ed25519", `^[a-zA-Z0-9-]+$`)

var certificateKeys = section[Certificate]{
	value(Key{Name: "chain", Doc: "This gateway's certificate and those that lead to its authority, in PEM. A reload takes a renewed one; SAs stay.",
		Otherwise: "required, if this gateway uses it", Example: "hq.pem"},
		fileName, func(c *Certificate) *File { return &c.Chain }),
	value(Key{Name: "key", Doc: "The private key of the first certificate, in PEM and not encrypted.", Otherwise: "required, if this gateway uses it", Example: "hq.key"},
		fileName, func(c *Certificate) *File { return &c.Key }),
	list(Key{Name: "ca", Doc: "The authorities that the peer's certificate may come from, in PEM.", Otherwise: "required, if the peer uses it", Example: "[ca.pem]"},
		fileName, "a list of files", func(c *Certificate) *[]File { return &c.CA }),
	list(Key{Name: "crl", Doc: "Revocation lists of the authorities, in PEM or DER, at most 1 MiB each. A reload takes new ones.", Otherwise: "what the peer sends", Example: "[ca.crl]"},
		fileName, "a list of files", func(c *Certificate) *[]File { return &c.CRL }),
	value(Key{Name: "revocation", Doc: "`strict` refuses a peer unless a current list, or OCSP response that it sends, tells for each certificate that it is not revoked; " +
		"`relaxed` refuses revoked ones only; `off` asks nobody.", Default: "relaxed", Example: "strict"},
		enum(RevocationStrict, RevocationRelaxed, RevocationOff), func(c *Certificate) *Revocation { return &c.Revocation }),
	value(Key{Name: "fetch", Doc: "Ask the OCSP responders and fetch the revocation lists that certificates name, over HTTP, where nothing else tells whether one is revoked; " +
		"and show peers that ask the OCSP response for our own. The servers must be reachable without this tunnel.", Default: "false", Example: "true"},
		truth, func(c *Certificate) *bool { return &c.Fetch }),
}

var publicKeyKeys = section[PublicKey]{
	value(Key{Name: "key", Doc: "This gateway's private key, in PEM and not encrypted.", Otherwise: "required, if this gateway uses it", Example: "hq.key"},
		fileName, func(k *PublicKey) *File { return &k.Key }),
	list(Key{Name: "peer", Doc: "The public keys that the peer may have, each in PEM (a certificate counts for the key in it).",
		Otherwise: "required, if the peer uses it", Example: "[branch.pub]"},
		fileName, "a list of files", func(k *PublicKey) *[]File { return &k.Peer }),
}

const proposalsAllowed = "a list of proposals in order of preference"

var ikeKeys = section[IKE]{
	value(Key{Name: "version", Doc: "The version of IKE.", Default: "2", Example: "1"},
		whole[int](1, 2, "1 or 2"), func(i *IKE) *int { return &i.Version }),
	value(Key{Name: "aggressive", Doc: "IKEv1 only: begin with Aggressive Mode and answer it, for peers that have nothing else. **Everybody on the path reads both identities, and can try keys at leisure on what this gateway answers to whoever asks.**", Default: "false", Example: "true"},
		truth, func(i *IKE) *bool { return &i.Aggressive }),
	value(Key{Name: "mode_config", Doc: "IKEv1 only: an address inside of the tunnel. `request` asks the peer for one, puts it on the interface, and uses nothing else; `assign` gives the peer one of `remote.networks` when it asks, `push` unasked. A connection is one peer, so a host is enough there; of a network the peer gets the address that it asks for, else the lowest.", Default: "off", Example: "request"},
		enum(ModeConfigOff, ModeConfigRequest, ModeConfigAssign, ModeConfigPush), func(i *IKE) *ModeConfig { return &i.ModeConfig }),
	nested(Key{Name: "client", Doc: "IKEv1 only: what a peer is told that gets its address from this gateway, besides the address, its netmask and the networks behind this gateway."}, clientKeys,
		func(i *IKE) *Client { return &i.Client }),
	list(Key{Name: "proposals", Doc: "The algorithms to negotiate, in strongSwan's keywords.", Otherwise: "a list of strong ones",
		Example: "[aes256gcm16-prfsha384-ecp384, aes256-sha256-modp2048]"},
		proposal, proposalsAllowed, func(i *IKE) *[]string { return &i.Proposals }),
	value(Key{Name: "lifetime", Doc: "The IKE SA is rekeyed before it is this old.", Default: "8h", Example: "4h"},
		duration(10*time.Second, 30*24*time.Hour), func(i *IKE) *time.Duration { return &i.Lifetime }),
	value(Key{Name: "reauth", Doc: "The peer is authenticated anew before its last authentication is this old; the old IKE SA goes when the new one carries everything.", Default: "off", Example: "1d"},
		either("off", duration(10*time.Second, 30*24*time.Hour)), func(i *IKE) *time.Duration { return &i.Reauth }),
	value(Key{Name: "dpd", Doc: "A peer of which nothing is heard for this long, neither IKE nor ESP, is given up (dead peer detection). It is asked five times before, the first time 22s before the end, or after a third of the time where that is later. Less than 7.5s has no room for that: then a third of it and 5s count.", Default: "30s", Example: "10s"},
		either("off", duration(time.Second, time.Hour)), func(i *IKE) *time.Duration { return &i.DPD }),
	value(Key{Name: "mobike", Doc: "The SAs go on when this gateway's address changes, or that of a peer that began (MOBIKE, RFC 4555).", Default: "false", Example: "true"},
		truth, func(i *IKE) *bool { return &i.MOBIKE }),
	value(Key{Name: "forbid_nat", Doc: "`true` refuses a peer if there is a NAT on the way, and with `mobike` has each message that moves SAs name the addresses it was sent between (RFC 4555 §3.9): whoever changes them is taken for an attacker.",
		Default: "false", Example: "true"},
		truth, func(i *IKE) *bool { return &i.ForbidNAT }),
	value(Key{Name: "session_resumption", Doc: "An IKE SA that was lost, with its path or at the other end, comes back with a ticket of this end's memory in the place of a key exchange and certificates (RFC 5723), if the peer can. Its keys then have no forward secrecy towards those of the IKE SA before.",
		Default: "false", Example: "true"},
		truth, func(i *IKE) *bool { return &i.SessionResumption }),
	value(Key{Name: "childless", Doc: "The IKE SA begins without a Child SA, which then has a key exchange of its own (RFC 6023): `allow` leaves that to the peer, `prefer` does so if the peer can, `force` always.",
		Default: "allow", Example: "prefer"},
		enum(ChildlessAllow, ChildlessPrefer, ChildlessForce, ChildlessNever), func(i *IKE) *Childless { return &i.Childless }),
	value(Key{Name: "crash_detection", Doc: "An end that crashed proves to the other that its SAs are gone, so that the connection comes back at once (RFC 6290). This gateway needs `gateway.state_directory` to prove it.",
		Default: "true", Example: "false"},
		truth, func(i *IKE) *bool { return &i.CrashDetection }),
	value(Key{Name: "follow_redirects", Doc: "Go to another gateway where the peer says so (RFC 5685). That gateway must show the identity that is configured for this peer, or stands for its address.",
		Default: "true", Example: "false"},
		truth, func(i *IKE) *bool { return &i.FollowRedirects }),
	value(Key{Name: "redirect_to", Doc: "Send peers that can be redirected to this other gateway (RFC 5685); a reload sends those that are up.",
		Otherwise: "peers stay here", Example: "vpn-2.example.com"},
		redirectTarget, func(i *IKE) *string { return &i.RedirectTo }),
	value(Key{Name: "message_id_sync", Doc: "A peer that is a cluster may find out the message IDs when one of its machines takes over from another (RFC 6311).", Default: "true", Example: "false"},
		truth, func(i *IKE) *bool { return &i.MessageIDSync }),
	value(Key{Name: "fragment_size", Doc: "IKE messages that need a longer IP datagram are sent in several (RFC 7383; in IKEv1 as Cisco and Microsoft do it); `off` leaves that to IP.", Default: "1280", Example: "1400"},
		either("off", whole[int](576, 9000, "octets from 576 to 9000")), func(i *IKE) *int { return &i.FragmentSize }),
}

var clientKeys = section[Client]{
	list(Key{Name: "dns", Doc: "Name servers, at most 8 of IPv4.", Otherwise: "none is told", Example: "[10.1.0.53]"},
		plainAddr, "a list of addresses", func(c *Client) *[]netip.Addr { return &c.DNS }),
	list(Key{Name: "wins", Doc: "NetBIOS name servers, at most 8 of IPv4.", Otherwise: "none is told", Example: "[10.1.0.54]"},
		plainAddr, "a list of addresses", func(c *Client) *[]netip.Addr { return &c.WINS }),
	value(Key{Name: "domain", Doc: "The domain that completes short names, for clients of Cisco's kind.", Otherwise: "none is told", Example: "corp.example.com"},
		domainName, func(c *Client) *string { return &c.Domain }),
	list(Key{Name: "split_dns", Doc: "The domains whose names such a client asks those servers for.", Otherwise: "all", Example: "[corp.example.com]"},
		domainName, "a list of domains", func(c *Client) *[]string { return &c.SplitDNS }),
	value(Key{Name: "banner", Doc: "What such a client shows its user.", Otherwise: "nothing", Example: "\"For employees only.\""},
		word("a line of at most 500 characters", `^.{1,500}$`), func(c *Client) *string { return &c.Banner }),
}

var domainName = word("a DNS name", dnsNamePattern)

// redirectTarget is text that is an address, or else a name.
var redirectTarget = func() kind[string] {
	k := word("an IP address or a DNS name", `^[A-Za-z0-9_][A-Za-z0-9:._-]{0,252}$`)
	parse := k.parse
	k.parse = func(text string) (string, error) {
		text, err := parse(text)
		if _, no := parseAddr(text); err == nil && no != nil && !isName(text) {
			return "", no
		}
		return text, err
	}
	return k
}()

var espKeys = section[ESP]{
	list(Key{Name: "proposals", Doc: "The algorithms to negotiate, in strongSwan's keywords. A Diffie-Hellman group asks for perfect forward secrecy.",
		Otherwise: "a list of strong ones", Example: "[aes256gcm16-esn, aes256gcm16]"},
		proposal, proposalsAllowed, func(e *ESP) *[]string { return &e.Proposals }),
	value(Key{Name: "lifetime", Doc: "A Child SA is rekeyed before it is this old.", Default: "1h", Example: "8h"},
		duration(10*time.Second, 30*24*time.Hour), func(e *ESP) *time.Duration { return &e.Lifetime }),
	value(Key{Name: "lifetime_bytes", Doc: "A Child SA is rekeyed before it has carried this much in one direction.", Default: "100GB", Example: "500GB"},
		either("off", size(1e6)), func(e *ESP) *uint64 { return &e.LifetimeBytes }),
	value(Key{Name: "lifetime_packets", Doc: "A Child SA is rekeyed before it has carried this many packets in one direction.", Default: "off", Example: "1000000000"},
		either("off", whole[int](1000, math.MaxInt32, "a number of packets from 1000 to 2147483647")), func(e *ESP) *int { return &e.LifetimePackets }),
	value(Key{Name: "replay_window", Doc: "How many packets late a packet may arrive.", Default: "8192", Example: "1024"},
		replayWindow, func(e *ESP) *int { return &e.ReplayWindow }),
	value(Key{Name: "encapsulation", Doc: "`auto` and `force` make the peer carry ESP in UDP, as if there were a NAT; `never` does without UDP, unless there is one.",
		Default: "auto", Example: "force"},
		enum(EncapsulationAuto, EncapsulationForce, EncapsulationNever), func(e *ESP) *Encapsulation { return &e.Encapsulation }),
	value(Key{Name: "mode", Doc: "`tunnel` carries packets of the networks behind the two ends; `transport` what the two ends send each other, without a second IP header, and then there are no networks: see [Transport mode](#transport-mode). `prefer-transport` takes a tunnel for the same packets where the peer wants one.",
		Default: "tunnel", Example: "transport"},
		enum(TunnelMode, TransportMode, PreferTransport), func(e *ESP) *TransportOrTunnel { return &e.Mode }),
	list(Key{Name: "protocols", Doc: "What transport mode carries between the two ends.", Otherwise: "everything", Example: "[gre]"},
		protocol, "a list of IP protocols, such as [gre, icmp]", func(e *ESP) *[]Protocol { return &e.Protocols }),
	value(Key{Name: "tfc_padding", Doc: "Packets are padded to a multiple of so many bytes, and at most to what the path carries, so that their lengths tell less (RFC 4303 §2.7); a large number makes all of one length. It costs bandwidth and speed.",
		Default: "off", Example: "256"},
		either("off", whole[int](2, 65535, "bytes from 2 to 65535")), func(e *ESP) *int { return &e.TFCPadding }),
	value(Key{Name: "tfc_dummies", Doc: "So many packets a second that mean nothing are sent besides, at random, while there is bandwidth to spare (RFC 4303 §2.6).",
		Default: "off", Example: "10"},
		either("off", whole[int](1, 10000, "packets a second from 1 to 10000")), func(e *ESP) *int { return &e.TFCDummies }),
	value(Key{Name: "per_core", Doc: "Further Child SAs like the first, each for one worker (`gateway.workers`) of either end, so that workers that send share nothing and the peer can receive on several (RFC 9611): as many as this besides the first one, if the peer offers them, too. `auto` is one for each worker, and at least 16 if the peer asks for them. For peers that are trusted, and with few, fast connections.",
		Default: "off", Example: "auto"},
		perCore, func(e *ESP) *int { return &e.PerCore }),
}

// perCore has two words that stand for numbers.
var perCore = func() kind[int] {
	k := either("off", whole[int](1, 128, "a number from 1 to 128"))
	k.Allowed = "off, auto, or a number from 1 to 128"
	k.AnyOf[0].Enum = []string{"off", "auto"}
	k.words = []string{"off", "auto"}
	parse := k.parse
	k.parse = func(text string) (int, error) {
		if text == "auto" {
			return PerCoreAuto, nil
		}
		return parse(text)
	}
	return k
}()

// replayWindow is in whole words of the bitmap (RFC 6479).
var replayWindow = func() kind[int] {
	k := whole[int](64, 65536, "a multiple of 64 from 64 to 65536")
	k.Step = 64
	parse := k.parse
	k.parse = func(text string) (int, error) {
		n, err := parse(text)
		if err == nil && n%k.Step != 0 {
			return 0, errNotAllowed
		}
		return n, err
	}
	return k
}()

var shareKeys = section[Share]{
	value(Key{Name: "guarantee", Doc: "What this connection can always have.", Otherwise: "none", Example: "100mbit"},
		anyRate, func(s *Share) *uint64 { return &s.Guarantee }),
	value(Key{Name: "ceiling", Doc: "What this connection can have at most.", Otherwise: "the gateway's bandwidth", Example: "500mbit"},
		anyRate, func(s *Share) *uint64 { return &s.Ceiling }),
	value(Key{Name: "weight", Doc: "Its share of what is left, against the other connections' weights.", Default: "1", Example: "2"},
		whole[int](1, 1000, "a number from 1 to 1000"), func(s *Share) *int { return &s.Weight }),
}

// addresses is `any`, one address or a list of them.
func addresses(key Key) field[Remote] {
	s := shape{
		Allowed: "an address, a DNS name, a list of those, or any",
		AnyOf:   []shape{peerAddr.shape, {Type: "array", Allowed: "a list of addresses and names", Items: &peerAddr.shape, Closed: true}},
	}
	one := peerAddr
	one.shape.Allowed = s.Allowed
	return field[Remote]{
		entry: entry{key, s},
		decode: func(d *decoder, n *yaml.Node, path string, into *Remote) {
			into.Any, into.Addresses = false, nil
			switch {
			case n.Kind == yaml.SequenceNode:
				into.Addresses = values(d, d.items(n, path, s), path, peerAddr)
			case n.Kind == yaml.ScalarNode && n.Value == "any":
				into.Any = true
			default:
				if a, ok := scalar(d, n, path, one); ok {
					into.Addresses = []Address{a}
				}
			}
		},
		changes: func(path string, a, b *Remote) []string {
			if a.Any == b.Any && slices.Equal(a.Addresses, b.Addresses) {
				return nil
			}
			return []string{path}
		},
	}
}

var connectionName = regexp.MustCompile(connectionNamePattern)

// connections keeps the node for later: see document.
func connections(key Key) field[document] {
	each := connectionKeys.shape()
	return field[document]{
		entry:  entry{key, shape{Type: "object", Allowed: "a mapping of names to connections", Each: &each}},
		decode: func(d *decoder, n *yaml.Node, path string, into *document) { into.connections = n },
	}
}

// document reads the file: the defaults first, then each connection over them.
func (d *decoder) document(root *yaml.Node) document {
	doc := document{Config: builtinGateway(), defaults: builtinConnection()}
	plain := unprofiled(valueOf(root, "defaults"))
	profileOf(valueOf(root, "defaults"), &doc.defaults)
	documentKeys.decode(d, root, "", &doc)
	if doc.connections == nil {
		return doc
	}
	for _, p := range d.pairs(doc.connections, "connections") {
		path := join("connections", p.name)
		d.mark(path, p.key)
		if !connectionName.MatchString(p.name) {
			d.wrong(p.key, path, "the name of a connection must be at most 63 letters, digits, and . _ - and begin with a letter or digit")
		}
		c := doc.defaults
		if valueOf(follow(p.value), "profile") != nil {
			c = plain
			profileOf(follow(p.value), &c)
		}
		c.Name = p.name
		c.Auth = inherit(c.Auth, p.value)
		connectionKeys.decode(d, p.value, path, &c)
		doc.Connections = append(doc.Connections, c)
	}
	return doc
}
