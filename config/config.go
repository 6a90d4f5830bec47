package config

import (
	"net/netip"
	"time"
)

// Config is one valid configuration: every default is filled in.
type Config struct {
	Gateway Gateway
	Control Control
	Log     Log
	Usage   Usage
	// Connections are in the order of the file; their names are unique.
	Connections []Connection
}

// Gateway is what all connections share.
type Gateway struct {
	Name      string
	Identity  string // empty: the outer address in use
	Listen    Listen
	Interface Interface
	Bandwidth Bandwidth
	Workers   int // 0: one for each processor
	DataPath  DataPath
	// StateDirectory is where what outlives a crash is kept; empty: where the
	// service manager says; absolute, or as Control.Socket.
	StateDirectory string
	// DisableOffloads are features of the machine to do without.
	DisableOffloads []Offload
}

// DataPath is how packets are exchanged with the TUN device.
type DataPath string

// The data paths.
const (
	DataPathAuto     DataPath = "auto" // native where the kernel can
	DataPathNative   DataPath = "native"
	DataPathPortable DataPath = "portable"
)

// Offload is a feature of the kernel or the processor that makes packets cheaper.
type Offload string

// The offloads.
const (
	OffloadTSO         Offload = "tso"          // TCP superpackets of the TUN device
	OffloadUSO         Offload = "uso"          // UDP superpackets of the TUN device
	OffloadUDPSegment  Offload = "udp_segment"  // trains of datagrams to send
	OffloadUDPGRO      Offload = "udp_gro"      // trains of datagrams received
	OffloadSPISteering Offload = "spi_steering" // a socket for each worker, chosen by SPI
	OffloadTUNSteering Offload = "tun_steering" // flows spread over the TUN queues when one overflows
	OffloadVAES        Offload = "vaes"         // AES-GCM by vector instructions
)

// Offloads are all of them.
var Offloads = []Offload{OffloadTSO, OffloadUSO, OffloadUDPSegment, OffloadUDPGRO, OffloadSPISteering, OffloadTUNSteering, OffloadVAES}

// Listen says where IKE and ESP arrive.
type Listen struct {
	Addresses        []netip.Addr // empty: every address
	IKEPort, NATPort uint16
}

// Interface is the TUN device.
type Interface struct {
	Name      string
	Addresses []netip.Prefix // the host bits are the interface's own address
	// StrongHost: the addresses are reached by the device and from this host only.
	StrongHost bool
	MTU        int  // 0: computed from the outer MTU and the overhead
	Routes     bool // install kernel routes to remote networks
	// FailClosed: unreachable routes stand behind the routes.
	FailClosed    bool
	RouteTable    int // 0: the main table
	RouteMetric   int // 0: the kernel's default
	RouteProtocol int
	SourceRules   bool // policy rules from local networks to RouteTable
	// OutsideNetworks of outer interfaces are reached there, though a remote network
	// contains them.
	OutsideNetworks []netip.Prefix
	Namespace       string // empty: the program's own network namespace
}

// Bandwidth is what the gateway may use, in bits a second; 0 is unlimited.
type Bandwidth struct{ Up, Down uint64 }

// Control is how the daemon is reached.
type Control struct {
	Socket string // absolute, or relative to the working directory if the file's path is
	HTTP   string // host:port; empty: off
}

// Log is what the daemon writes to standard error.
type Log struct {
	Level  LogLevel
	Format LogFormat
}

// LogLevel is the least severe level that is written.
type LogLevel string

// The levels, from the most to the least talkative.
const (
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

// LogFormat is the form of a log line.
type LogFormat string

// The log formats.
const (
	LogConsole LogFormat = "console"
	LogJSON    LogFormat = "json"
)

// Usage is the record of what each connection carried, by the hour.
type Usage struct {
	File string // empty: none is kept; absolute, or as Control.Socket
	Keep time.Duration
}

// Connection is one peer and what is reached through it.
type Connection struct {
	Name string
	// Profile is the one whose defaults are filled in.
	Profile Profile
	Local   Local
	Remote  Remote
	Auth    Auth
	Type    Type
	// ChildPerPair: policy-based has a Child SA for each pair of networks.
	ChildPerPair bool
	Start        Start
	// Idle takes the connection down when it carried nothing for so long; 0:
	// never.
	Idle time.Duration
	Mode Mode
	IKE  IKE
	ESP  ESP
	// Direct is a private line to the same networks, preferred while healthy.
	Direct Direct
	// Probe asks through the tunnel whether the site answers.
	Probe Probe
	// Metric orders connections with the same remote network: the lowest that
	// is up carries.
	Metric int
	// Transit: packets may pass to and from other connections that allow it.
	Transit   bool
	Bandwidth Share
	Translate []Translation
}

// Local is this gateway's side of a connection.
type Local struct {
	Identity string // empty: the outer address in use
	Networks []netip.Prefix
}

// Remote is the peer's side of a connection.
type Remote struct {
	// Any is set when the peer may come from everywhere; Addresses is empty
	// then, and Mode is RespondOnly.
	Any       bool
	Addresses []Address // tried in order
	Port      int       // of IKE; 500: and 4500 from the second exchange on
	Identity  string    // empty: the peer's outer address, or any identity with Any
	Networks  []netip.Prefix
}

// Address is a peer's outer address or the DNS name of it: exactly one is set.
type Address struct {
	IP   netip.Addr
	Name string
}

// String gives the address or the name.
func (a Address) String() string {
	if a.Name != "" {
		return a.Name
	}
	return a.IP.String()
}

// Auth is how both sides prove who they are. PSK is set whichever of psk,
// psk_file and psk_env it came from.
type Auth struct {
	PSK         Secret
	PSKFile     string
	PSKEnv      string
	PSKEncoding PSKEncoding // empty: text. PSK is decoded already
	Certificate Certificate
	PublicKey   PublicKey
	// Local and Remote are what the sides use; always one of those that are
	// configured.
	Local, Remote Method
	Signatures    []string // empty: the default schemes
	PPK           PPK
	XAUTH         XAUTH
}

// PPK is a post-quantum pre-shared key (RFC 8784). Secret is set whichever of
// secret and file it came from.
type PPK struct {
	ID       string // empty: there is none
	Secret   Secret
	File     string
	Required bool
}

// PSKEncoding is how a pre-shared key is written.
type PSKEncoding string

// The encodings.
const (
	PSKText   PSKEncoding = "text"
	PSKHex    PSKEncoding = "hex"
	PSKBase64 PSKEncoding = "base64"
)

// Method is how one side proves who it is.
type Method string

// The methods.
const (
	MethodPSK         Method = "psk"
	MethodCertificate Method = "certificate"
	MethodPublicKey   Method = "public_key"
)

// Certificate is the files of certificate authentication: this side's chain and
// key, and the authorities for the peer's with what they revoked.
type Certificate struct {
	Chain, Key File
	CA, CRL    []File
	Revocation Revocation // empty: RevocationRelaxed
	Fetch      bool       // ask the servers that certificates name
}

// Revocation says what revocation of certificates means.
type Revocation string

// The policies of revocation.
const (
	RevocationStrict  Revocation = "strict"
	RevocationRelaxed Revocation = "relaxed"
	RevocationOff     Revocation = "off"
)

// PublicKey is the files of raw public keys: this side's private key, and the
// public keys that the peer may have.
type PublicKey struct {
	Key  File
	Peer []File
}

// Type says what a connection's selectors are.
type Type string

// The types of connection.
const (
	RouteBased  Type = "route-based"
	PolicyBased Type = "policy-based"
)

// Start says when a connection is brought up.
type Start string

// The start policies.
const (
	StartAlways    Start = "always"
	StartOnTraffic Start = "on-traffic"
	StartOnDemand  Start = "on-demand"
)

// Mode says who may begin the negotiation.
type Mode string

// The modes.
const (
	ModeDefault  Mode = "default"
	InitiateOnly Mode = "initiate-only"
	RespondOnly  Mode = "respond-only"
)

// IKE is the negotiation's own security association.
type IKE struct {
	Version int
	// Aggressive: IKEv1 begins with Aggressive Mode, and answers it.
	Aggressive bool
	ModeConfig ModeConfig
	Client     Client
	Proposals  []string // empty: the default proposals
	Lifetime   time.Duration
	Reauth     time.Duration // 0: never
	DPD        time.Duration // 0: off
	// SessionResumption: an IKE SA that was lost is made anew with a ticket.
	SessionResumption bool
	// ForbidNAT: neither the peer nor this gateway may be behind a NAT.
	ForbidNAT bool
	// MOBIKE: the SAs go on when an address changes.
	MOBIKE bool
	// Childless says whether the IKE SA may begin without a Child SA.
	Childless Childless
	// CrashDetection: a restarted end says at once that the SAs are gone.
	CrashDetection bool
	// FollowRedirects: the peer may send us to another gateway; RedirectTo: ours
	// sends peers there, an address or a name.
	FollowRedirects bool
	RedirectTo      string
	// MessageIDSync: a peer that takes over from another may ask for message IDs.
	MessageIDSync bool
	// FragmentSize is the longest IP datagram of an IKE message that is not cut;
	// 0: none is.
	FragmentSize int
}

// Childless says whether an IKE SA may begin without a Child SA.
type Childless string

// The ways to begin.
const (
	ChildlessNever  Childless = "never"
	ChildlessAllow  Childless = "allow"
	ChildlessPrefer Childless = "prefer"
	ChildlessForce  Childless = "force"
)

// ESP is the security association that carries the traffic.
type ESP struct {
	Proposals     []string // empty: the default proposals
	Lifetime      time.Duration
	LifetimeBytes uint64 // 0: no limit
	// LifetimePackets is that in packets; 0: no limit.
	LifetimePackets int
	ReplayWindow    int
	Encapsulation   Encapsulation
	Mode            TransportOrTunnel
	// Protocols are those of transport mode; empty: all.
	Protocols []Protocol
	// TFCPadding is what packets are padded to a multiple of; 0: they are not.
	TFCPadding int
	// TFCDummies is how many dummy packets are sent a second; 0: none.
	TFCDummies int
	// PerCore is how many Child SAs for single workers there may be besides the one
	// for all (RFC 9611); 0: none, PerCoreAuto: as the workers need.
	PerCore int
}

// PerCoreAuto leaves it to the number of workers.
const PerCoreAuto = -1

// Encapsulation says when ESP is carried in UDP.
type Encapsulation string

// The kinds of encapsulation.
const (
	EncapsulationAuto  Encapsulation = "auto"
	EncapsulationForce Encapsulation = "force"
	EncapsulationNever Encapsulation = "never"
)

// TransportOrTunnel is how a Child SA encapsulates.
type TransportOrTunnel string

// The ways to encapsulate.
const (
	TunnelMode      TransportOrTunnel = "tunnel"
	TransportMode   TransportOrTunnel = "transport"
	PreferTransport TransportOrTunnel = "prefer-transport"
)

// Protocol is the number of an IP protocol.
type Protocol uint8

// Direct is a way past the tunnel. Without an Interface there is none.
type Direct struct {
	Interface string
	NextHop   netip.Addr // zero: the interface leads straight to the networks
	Probe     Probe      // Target is set if Interface is
}

// Probe is an ICMP echo request, again and again. Without a Target there is
// none.
type Probe struct {
	Target            netip.Addr
	Interval, Timeout time.Duration // Timeout 0: the interval
	Busy              time.Duration // of a line while packets pass; 0: the interval
	Lost, Recovered   int           // in a row, to change the verdict
}

// Translation is one prefix that has another address on the other side.
type Translation struct {
	Inside, Outside netip.Prefix
	Direction       TranslationDirection
}

// TranslationDirection says whose addresses a Translation is about.
type TranslationDirection string

// The directions of translation.
const (
	Egress  TranslationDirection = "egress"  // hosts of this side
	Ingress TranslationDirection = "ingress" // hosts of the peer's side
)

// Share is one connection's part of the gateway's bandwidth, in bits a second.
type Share struct {
	Guarantee uint64 // 0: none
	Ceiling   uint64 // 0: the gateway's
	Weight    int
}

// builtinGateway holds the defaults of everything but connections; the key
// table documents the same values, and a test compares the two.
func builtinGateway() Config {
	return Config{
		Gateway: Gateway{
			Listen:    Listen{IKEPort: 500, NATPort: 4500},
			Interface: Interface{Name: "cw0", Routes: true, FailClosed: true, RouteProtocol: 197},
			DataPath:  DataPathAuto,
		},
		Control: Control{Socket: "/run/causeway/control.sock"},
		Log:     Log{Level: LogInfo, Format: LogConsole},
		Usage:   Usage{Keep: 400 * 24 * time.Hour},
	}
}

// builtinConnection holds the defaults of a connection.
func builtinConnection() Connection {
	return Connection{
		Profile: ProfileNone,
		Type:    RouteBased,
		Start:   StartAlways,
		Mode:    ModeDefault,
		Remote:  Remote{Port: 500},
		IKE:     IKE{Version: 2, ModeConfig: ModeConfigOff, Lifetime: 8 * time.Hour, DPD: 30 * time.Second, FragmentSize: 1280, Childless: ChildlessAllow, CrashDetection: true, FollowRedirects: true, MessageIDSync: true},
		ESP: ESP{
			Lifetime:      time.Hour,
			LifetimeBytes: 100e9,
			ReplayWindow:  8192,
			Encapsulation: EncapsulationAuto, Mode: TunnelMode,
		},
		Direct:    Direct{Probe: builtinProbe},
		Probe:     builtinProbe,
		Metric:    100,
		Bandwidth: Share{Weight: 1},
	}
}

var builtinProbe = Probe{Interval: 200 * time.Millisecond, Busy: 10 * time.Millisecond, Lost: 3, Recovered: 10}
