package config

import (
	"fmt"
	"net/netip"
	"time"

	"go.yaml.in/yaml/v4"
)

// document is a whole file while it is read.
type document struct {
	Config
	defaults    Connection
	connections *yaml.Node // read last: defaults may stand after them
}

const (
	lowestMTU  = 576
	highestMTU = 9216
	mostWorker = 256
)

var anyRate = rate(64e3, 10e12)

var documentKeys = section[document]{
	nested(Key{Name: "gateway", Doc: "What all connections share."}, gatewayKeys,
		func(d *document) *Gateway { return &d.Gateway }),
	nested(Key{Name: "control", Doc: "How the running gateway is reached."}, controlKeys,
		func(d *document) *Control { return &d.Control }),
	nested(Key{Name: "log", Doc: "What the gateway writes to standard error."}, logKeys,
		func(d *document) *Log { return &d.Log }),
	nested(Key{Name: "usage", Doc: "What each connection carried, by the hour, kept across restarts for `causeway usage`."}, usageKeys,
		func(d *document) *Usage { return &d.Usage }),
	nested(Key{Name: "defaults", Doc: "Any key of a connection, for every connection that does not give it itself."}, connectionKeys,
		func(d *document) *Connection { return &d.defaults }),
	connections(Key{Name: "connections", Doc: "The peers, each under a name of your choice.", Example: "azure-west"}),
}

var gatewayKeys = section[Gateway]{
	value(Key{Name: "name", Doc: "What this gateway is called in its status and metrics.", Otherwise: "the host name", Example: "hq"},
		gatewayName, func(g *Gateway) *string { return &g.Name }),
	value(Key{Name: "identity", Doc: "How this gateway names itself to peers, unless a connection has its own `local.identity`.",
		Otherwise: "the outer address in use", Example: "hq.example.com"},
		identity, func(g *Gateway) *string { return &g.Identity }),
	nested(Key{Name: "listen", Doc: "Where IKE and ESP arrive."}, listenKeys,
		func(g *Gateway) *Listen { return &g.Listen }),
	nested(Key{Name: "interface", Doc: "The TUN device that all connections share."}, interfaceKeys,
		func(g *Gateway) *Interface { return &g.Interface }),
	nested(Key{Name: "bandwidth", Doc: "What all connections may use together."}, bandwidthKeys,
		func(g *Gateway) *Bandwidth { return &g.Bandwidth }),
	value(Key{Name: "state_directory", Doc: "Where what must outlive a crash is kept: the key by which this gateway proves to its peers that it lost its state (RFC 6290). It must not be copied to another gateway, which would prove it in this one's name.",
		Otherwise: "`$STATE_DIRECTORY`, as systemd sets it; without that nothing is kept", Example: "/var/lib/causeway"},
		directoryPath, func(g *Gateway) *string { return &g.StateDirectory }),
	value(Key{Name: "workers", Doc: "Threads that carry packets; `auto` is one for each processor.", Default: "auto", Example: "4"},
		either("auto", whole[int](1, mostWorker, fmt.Sprintf("a number from 1 to %d", mostWorker))),
		func(g *Gateway) *int { return &g.Workers }),
	value(Key{Name: "data_path", Doc: "How packets are exchanged with the TUN device: `native` leaves superpackets whole and is twice as fast, " +
		"`portable` takes them apart. `auto` is native where the kernel can do it.", Default: "auto", Example: "portable"},
		enum(DataPathAuto, DataPathNative, DataPathPortable), func(g *Gateway) *DataPath { return &g.DataPath }),
	list(Key{Name: "disable_offloads", Doc: "Features to do without, where a kernel, a driver or a processor gets them wrong: `tso` and `uso` (TCP and UDP superpackets of the native data path), " +
		"`udp_segment` and `udp_gro` (trains of datagrams sent and received), `spi_steering` (a socket for each worker, ESP apart from IKE), `tun_steering` (flows spread over the workers when one is too few; needs CAP_BPF), `vaes` (AES-GCM by vector instructions). " +
		"Each costs throughput.", Otherwise: "none", Example: "[udp_gro, uso]"},
		enum(Offloads...), "a list of offloads", func(g *Gateway) *[]Offload { return &g.DisableOffloads }),
}

var listenKeys = section[Listen]{
	list(Key{Name: "addresses", Doc: "The addresses of this machine to use.", Otherwise: "every address", Example: "[198.51.100.10, \"2001:db8::10\"]"},
		listenAddr, "a list of addresses", func(l *Listen) *[]netip.Addr { return &l.Addresses }),
	value(Key{Name: "ike_port", Doc: "The UDP port of IKE.", Default: "500", Example: "500"},
		port, func(l *Listen) *uint16 { return &l.IKEPort }),
	value(Key{Name: "nat_port", Doc: "The UDP port of ESP in UDP, and of IKE behind a NAT.", Default: "4500", Example: "4500"},
		port, func(l *Listen) *uint16 { return &l.NATPort }),
}

var interfaceKeys = section[Interface]{
	value(Key{Name: "name", Doc: "What the device is called.", Default: "cw0", Example: "cw0"},
		interfaceName, func(i *Interface) *string { return &i.Name }),
	list(Key{Name: "addresses", Doc: "The device's own addresses, for example for BGP with a peer.", Otherwise: "none", Example: "[169.254.21.2/30]"},
		interfaceAddr, "a list of addresses with a prefix length", func(i *Interface) *[]netip.Prefix { return &i.Addresses }),
	value(Key{Name: "strong_host", Doc: "Whether these addresses are reached through the tunnel and from this machine only. Otherwise, as Linux does it, also by whoever is on another of its networks.",
		Default: "false", Example: "true"},
		truth, func(i *Interface) *bool { return &i.StrongHost }),
	value(Key{Name: "mtu", Doc: "The largest inner packet; `auto` is what fits into the outer network's packets.", Default: "auto", Example: "1400"},
		either("auto", whole[int](lowestMTU, highestMTU, fmt.Sprintf("a number from %d to %d", lowestMTU, highestMTU))),
		func(i *Interface) *int { return &i.MTU }),
	value(Key{Name: "routes", Doc: "Whether to install kernel routes to the remote networks.", Default: "true", Example: "false"},
		truth, func(i *Interface) *bool { return &i.Routes }),
	value(Key{Name: "fail_closed", Doc: "Whether an unreachable route stands behind each route: should this program crash, nothing for a remote network takes another way in the clear.",
		Default: "true", Example: "false"},
		truth, func(i *Interface) *bool { return &i.FailClosed }),
	value(Key{Name: "route_table", Doc: "The kernel's routing table for the routes; `main` needs no rules.", Default: "main", Example: "4500"},
		either("main", whole[int](1, 1<<31-1, "the number of a table from 1 to 2147483647")), func(i *Interface) *int { return &i.RouteTable }),
	value(Key{Name: "route_metric", Doc: "The metric of the routes; `auto` is the kernel's default.", Default: "auto", Example: "50"},
		either("auto", whole[int](1, 1_000_000, "a number from 1 to 1000000")), func(i *Interface) *int { return &i.RouteMetric }),
	value(Key{Name: "route_protocol", Doc: "The routing protocol number that marks the routes as this gateway's. Gateways in one network namespace need different ones.",
		Default: "197", Example: "198"},
		whole[int](5, 255, "a number from 5 to 255"), func(i *Interface) *int { return &i.RouteProtocol }),
	value(Key{Name: "source_rules", Doc: "Whether policy rules lead packets from `local.networks` to `route_table`, and no others: routing by source.", Default: "false", Example: "true"},
		truth, func(i *Interface) *bool { return &i.SourceRules }),
	list(Key{Name: "outside_networks", Doc: "Networks of the interface towards the peers that clients reach there, in the clear, although a remote network contains them. Those in `local.networks` need no mention.",
		Otherwise: "none", Example: "[192.168.178.0/24]"},
		network, networksAllowed, func(i *Interface) *[]netip.Prefix { return &i.OutsideNetworks }),
	value(Key{Name: "namespace", Doc: "The network namespace (`ip netns`) that the device, its addresses and its routes are in. The sockets stay where the program runs.",
		Otherwise: "the program's own", Example: "inside"},
		namespaceName, func(i *Interface) *string { return &i.Namespace }),
}

var bandwidthKeys = section[Bandwidth]{
	value(Key{Name: "up", Doc: "Towards the peers.", Otherwise: "unlimited", Example: "1gbit"},
		anyRate, func(b *Bandwidth) *uint64 { return &b.Up }),
	value(Key{Name: "down", Doc: "From the peers.", Otherwise: "unlimited", Example: "1gbit"},
		anyRate, func(b *Bandwidth) *uint64 { return &b.Down }),
}

var controlKeys = section[Control]{
	value(Key{Name: "socket", Doc: "The unix socket of the control API, which `causeway status` and the others talk to.",
		Default: "/run/causeway/control.sock", Example: "/run/causeway/control.sock"},
		socketPath, func(c *Control) *string { return &c.Socket }),
	value(Key{Name: "http", Doc: "Where metrics are served over HTTP (`/metrics`), without a password.", Default: "off", Example: "127.0.0.1:8500"},
		hostPort, func(c *Control) *string { return &c.HTTP }),
}

var logKeys = section[Log]{
	value(Key{Name: "level", Doc: "The least severe lines that are written.", Default: "info", Example: "debug"},
		enum(LogDebug, LogInfo, LogWarn, LogError), func(l *Log) *LogLevel { return &l.Level }),
	value(Key{Name: "format", Doc: "Lines for people or for machines.", Default: "console", Example: "json"},
		enum(LogConsole, LogJSON), func(l *Log) *LogFormat { return &l.Format }),
}

var usageKeys = section[Usage]{
	value(Key{Name: "file", Doc: "The file to keep it in, which is made if it is not there.", Otherwise: "it is not kept", Example: "/var/lib/causeway/usage.db"},
		filePath, func(u *Usage) *string { return &u.File }),
	value(Key{Name: "keep", Doc: "How long an hour is kept.", Default: "400d", Example: "90d"},
		duration(24*time.Hour, 3650*24*time.Hour), func(u *Usage) *time.Duration { return &u.Keep }),
}
