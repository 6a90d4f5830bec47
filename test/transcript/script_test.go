package transcript

import (
	"crypto/x509"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/cookie"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/test/pki"
)

var update = flag.Bool("update", false, "write the transcripts under testdata anew")

// TestTranscripts runs every script under testdata. A script is a txtar file: a
// comment that says what it shows, the file "script" with a command a line, and
// the file "transcript" with what must come of it. The commands are listed at
// each case of run.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { transcript(t, file) })
	}
}

func transcript(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var script, want string
	for _, f := range archive.Files {
		switch f.Name {
		case "script":
			script = string(f.Data)
		case "transcript":
			want = string(f.Data)
		}
	}
	var got strings.Builder
	a, b := Pair()
	p := &play{a: a, b: b, schemes: map[*sa.Settings][]auth.Scheme{}}
	p.log = func(line string) { got.WriteString(strings.TrimRight(line, " ") + "\n") }
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if p.world != nil {
			p.log("> " + line)
		}
		err := p.run(strings.Fields(line))
		if err == nil {
			err = p.gap()
		}
		if err != nil {
			t.Fatalf("%s: %q: %v\n%s", file, line, err, got.String())
		}
	}
	if len(p.world.Faults) > 0 {
		t.Errorf("broken invariants: %v", p.world.Faults)
	}
	if *update {
		archive.Files = []txtar.File{{Name: "script", Data: []byte(script)}, {Name: "transcript", Data: []byte(got.String())}}
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("the conversation changed (-want +got):\n%s", diff)
	}
}

// play is one run of a script. Settings may be changed until the first command
// that is not "set".
type play struct {
	// schemes are those to sign with and to accept.
	schemes map[*sa.Settings][]auth.Scheme
	a, b    *sa.Settings
	world   *World
	log     func(string)
	// steady says that no packet may be lost on the way from the script's next
	// command on.
	steady bool
}

// gap tells which end sends what the other does not receive.
func (p *play) gap() error {
	if !p.steady {
		return nil
	}
	return p.world.Gap()
}

func (p *play) run(words []string) error {
	switch words[0] {
	case "set":
		return p.set(words[1:])
	case "ikev1": // both ends speak IKEv1; before everything else
		*p.a, *p.b = pairV1()
		return nil
	}
	if p.world == nil {
		p.world = New(p.a, p.b, p.log)
	}
	w := p.world
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	switch words[0] {
	case "deliver", "drop", "dup":
		return p.network(words[0], arg(1))
	case "advance": // let time pass; what is sent stays on the network
		return p.advance(arg(1), false)
	case "run": // let time pass; what is sent arrives
		return p.advance(arg(1), true)
	case "hold": // keep Diffie-Hellman results until "work"
		w.HoldWork = true
	case "work":
		w.HoldWork = false
		w.Work()
	case "nat": // nat SHIFT [ADDRESS]: put a NAT before a; its ports are shifted by the argument
		w.NAT = netip.MustParseAddr("198.51.100.9")
		if other := arg(2); other != "" {
			w.NAT = netip.MustParseAddr(other)
		}
		shift, err := strconv.Atoi(arg(1))
		w.NATShift = uint16(shift)
		return err
	case "mtu": // what the path carries without fragmenting
		mtu, err := strconv.Atoi(arg(1))
		w.MTU = mtu
		return err
	case "seed": // other random octets: who wins a collision depends on them
		seed, err := strconv.ParseUint(arg(1), 10, 64)
		w.A.Reseed(seed)
		w.B.Reseed(seed + 1)
		return err
	case "steady": // from now on, what an end sends is received by the other
		p.steady = true
	case "esp": // a packet goes each way
		if !w.Echo() {
			return fmt.Errorf("it is not received")
		}
	case "agree": // both ends have the same one IKE SA and Child SA
		return Agree(w)
	case "none": // neither end has an IKE SA
		return p.none()
	case "status":
		p.status()
	case "reload": // reload a NAME VALUE: as set, and the machine takes it up
		return p.reload(words[1:])
	default:
		return p.host(words[0], arg(1), arg(2))
	}
	return nil
}

// reload changes a setting while the machines run.
func (p *play) reload(words []string) error {
	of, h := &p.a, p.world.A
	if words[0] == "b" {
		of, h = &p.b, p.world.B
	}
	changed := *h.Settings
	*of, h.Settings = &changed, &changed
	err := p.set(words)
	h.machine.Reconfigure(&changed)
	h.Step(sa.TimerDue{})
	return err
}

// host is a command for one end.
func (p *play) host(command, name, what string) error {
	h := map[string]*Host{"a": p.world.A, "b": p.world.B}[name]
	if h == nil {
		return fmt.Errorf("no such command or host")
	}
	switch command {
	case "up":
		h.Up()
	case "down":
		h.Step(sa.Down{})
	case "probe": // probe a SIZE
		size, err := strconv.Atoi(what)
		h.Step(sa.ProbePath{Size: size, Most: 1500})
		return err
	case "rekey": // rekey a child|ike|auth
		h.Step(sa.Rekey{IKE: what == "ike", Children: what == "child", Reauthenticate: what == "auth"})
	case "also": // also a ADDRESS: the host has that address, too
		h.Also = append(h.Also, netip.MustParseAddr(what))
		h.Step(sa.LocalAddress{Addr: h.Addr, Others: h.Also})
	case "takeover": // takeover a SEND,RECEIVE[,REPLAY]: another machine with these message IDs goes on, and leaves out what replay windows may be behind by
		var ev sa.Synchronize
		ike := h.Machine.Snapshot().IKE[0]
		if ev.SPI = ike.SPIr; ike.Initiator {
			ev.SPI = ike.SPIi
		}
		n, err := fmt.Sscanf(what, "%d,%d,%d", &ev.Send, &ev.Receive, &ev.Replay)
		if n >= 2 {
			err = nil
		}
		h.Step(ev)
		return err
	case "without": // without a ADDRESS: a further address of the host is gone
		h.Also = slices.DeleteFunc(h.Also, func(o netip.Addr) bool { return o == netip.MustParseAddr(what) })
		h.Step(sa.LocalAddress{Addr: h.Addr, Others: h.Also})
	case "unreachable": // unreachable a ADDRESS: what is sent to that address of the host is lost
		h.Unreachable = append(h.Unreachable, netip.MustParseAddr(what))
	case "move": // move a ADDRESS: the host has another address now
		addr := netip.MustParseAddr(what)
		h.Addr = addr
		h.Also = slices.DeleteFunc(h.Also, func(a netip.Addr) bool { return a == addr })
		h.Step(sa.LocalAddress{Addr: addr, Others: h.Also})
	case "traffic": // ESP arrived at the host
		h.Hears()
	case "limit": // limit a soft|hard: the data path's word on the Child SA in use
		h.limit(what == "hard")
	case "soft", "expire": // soft|expire a N: the same on the N-th Child SA of the status
		n, err := strconv.Atoi(what)
		if children := h.Snapshot().Children; err == nil && n <= len(children) {
			h.world.disrupted = h.world.disrupted || command == "expire"
			h.Step(sa.LifetimeHit{SPI: children[n-1].Child.SPIIn, Hard: command == "expire"})
			return nil
		}
		return fmt.Errorf("no such Child SA")
	case "need": // need a [WORKER]: a packet at the host waits for a Child SA, or a worker for its own
		flow := selector.Flow{Src: netip.MustParseAddr("10.1.0.1"), Dst: netip.MustParseAddr("10.2.0.1"), Protocol: 1}
		if name == "b" {
			flow.Src, flow.Dst = flow.Dst, flow.Src
		}
		ev := sa.TrafficNeeded{Flow: flow}
		if what != "" {
			var err error
			if ev.Resource, err = strconv.Atoi(what); err != nil {
				return err
			}
		}
		h.Step(ev)
	case "decline": // decline a N: the data path does not accept so many of the next Child SAs
		var err error
		h.Declines, err = strconv.Atoi(what)
		return err
	case "deaf": // it does not look at ESP on SPIs that it does not have
		h.Deaf = true
	case "ping": // ping a D[,WORKER]: a packet leaves the host every second for that long; what is sent arrives
		return p.ping(h, what)
	case "alter": // alter a FAULT: the next message that fits is a faulty one
		return h.Alter(what)
	case "crash": // lose all state
		h.Crash()
	case "guard": // every IKE_SA_INIT needs a cookie from now on
		h.Restart(cookie.Config{ChallengeTotal: 1, ChallengeSource: 1})
		h.world.logf("%s is under attack", h.Name)
		h.Attack()
	case "forget": // the data path and machine of one end lose a Child SA
		h.Forget()
	default:
		return fmt.Errorf("no such command")
	}
	return nil
}

// ping notes how many packets the other end received.
func (p *play) ping(h *Host, d string) error {
	d, by, _ := strings.Cut(d, ",")
	worker, _ := strconv.Atoi("0" + by)
	long, err := time.ParseDuration(d)
	sent, received := 0, 0
	for ; long > 0; long -= time.Second {
		if sent++; h.Ping("net", worker) {
			received++
		}
		p.world.Advance(time.Second, true)
	}
	p.world.logf("%s sent %d packets, %d were received", h.Name, sent, received)
	return err
}

func (p *play) network(what, which string) error {
	w := p.world
	if which == "all" && what == "drop" {
		w.Network = nil
		return nil
	}
	if which == "all" {
		w.DeliverAll()
		return nil
	}
	i := 1
	if which == "a" || which == "b" { // the oldest of that host
		i = 1 + slices.IndexFunc(w.Network, func(p *Packet) bool { return p.From.Name == which })
	} else if which != "" {
		var err error
		if i, err = strconv.Atoi(which); err != nil {
			return err
		}
	}
	if i < 1 || i > len(w.Network) {
		return fmt.Errorf("the network holds %d datagrams", len(w.Network))
	}
	switch what {
	case "deliver":
		w.Deliver(i - 1)
	case "drop":
		w.logf("lost: %v of %s", w.Network[i-1], w.Network[i-1].From.Name)
		w.Drop(i - 1)
	case "dup":
		w.Duplicate(i - 1)
	}
	return nil
}

func (p *play) advance(d string, deliver bool) error {
	dur, err := time.ParseDuration(d)
	p.world.Advance(dur, deliver)
	return err
}

func (p *play) none() error {
	for _, h := range []*Host{p.world.A, p.world.B} {
		if s := h.Snapshot(); len(s.IKE) > 0 || len(h.Inbound) > 0 || len(h.reserved) > 0 {
			return fmt.Errorf("%s has %d IKE SAs, %d Child SAs, %d SPIs", h.Name, len(s.IKE), len(h.Inbound), len(h.reserved))
		}
	}
	return nil
}

func (p *play) status() {
	for _, h := range []*Host{p.world.A, p.world.B} {
		s := h.Snapshot()
		p.log(fmt.Sprintf("  %s: %s", h.Name, s.State))
		for _, i := range s.IKE {
			p.log(fmt.Sprintf("    IKE SA %s initiator=%v nat=%s", i.State, i.Initiator, i.NAT))
		}
		for _, c := range s.Children {
			text := fmt.Sprintf("    Child SA %s %08x/%08x %s outbound=%s", c.Child.Name, c.Child.SPIIn, c.Child.SPIOut, c.State, c.Outbound)
			if c.Child.Resource > 0 {
				text += fmt.Sprintf(" worker=%d", c.Child.Resource)
			}
			p.log(text)
		}
	}
}

// set changes the settings of one end: set a psk KEY, set b esp PROPOSALS, ...
func (p *play) set(words []string) error {
	s := map[string]*sa.Settings{"a": p.a, "b": p.b}[words[0]]
	if s == nil || len(words) < 3 {
		return fmt.Errorf("usage: set a|b NAME VALUE")
	}
	value := words[2]
	switch words[1] {
	case "psk":
		s.PSK = auth.NewSecret([]byte(value))
	case "id":
		s.LocalIdentity = Identity(value)
	case "peer":
		s.RemoteIdentity = Identity(value)
	case "ike":
		s.IKEProposals = proposalsOf(s)(transform.IKE, words[2:]...)
	case "esp":
		s.ESPProposals = proposalsOf(s)(transform.ESP, words[2:]...)
	case "version": // set b version 2, in a script of IKEv1
		one, _ := Pair()
		s.Version, s.IKEProposals, s.ESPProposals = 2, one.IKEProposals, one.ESPProposals
	case "aggressive", "login", "users", "address":
		return setV1(s, words[1], words[2:])
	case "dpd":
		return parse(&s.DPD, value)
	case "ikelife":
		return parse(&s.IKELifetime, value)
	case "reauth":
		return parse(&s.Reauthentication, value)
	case "mode":
		s.RespondOnly = value == "respond"
	case "childlife":
		return parse(&s.ChildLifetime.Time, value)
	case "addresses": // set a addresses A,B: those that the host may use
		for _, text := range strings.Split(value, ",") {
			s.LocalAddresses = append(s.LocalAddresses, netip.MustParseAddr(text))
		}
	case "follow": // set a follow yes: redirects
		s.FollowRedirects = value == "yes"
	case "redirect": // set a redirect ADDRESS
		s.RedirectTo = value
	case "sync": // set a sync yes: message ID synchronization
		s.MessageIDSync = value == "yes"
	case "crashes": // set a crashes yes: crash detection
		s.CrashDetection = value == "yes"
	case "childless": // set a childless allow|prefer|force|never
		s.Childless = sa.Childless(value)
	case "tickets": // set a tickets yes: session resumption
		s.SessionResumption = value == "yes"
	case "nat": // set a nat no: none may be on the way
		s.ForbidNAT = value == "no"
	case "mobike":
		s.MOBIKE = value == "yes"
	case "fragment": // set a fragment OCTETS
		n, err := strconv.Atoi(value)
		s.FragmentSize = n
		return err
	case "workers": // set a workers N [MOST]: Child SAs for single workers
		return setResources(s, words[2:])
	case "force":
		s.ForceEncapsulation = value == "yes"
	case "bare":
		s.BareESP = value == "yes"
	case "ppk": // set a ppk ID SECRET [required]
		s.PPK = &sa.PPK{ID: value, Secret: auth.NewSecret([]byte(words[3])), Required: len(words) > 4}
	case "schemes": // set a schemes KEYWORD,..: before those that follow
		p.schemes[s] = Schemes(value)
	case "certificate": // set a certificate KIND NAME [HOW..]
		s.Credentials = Credentials(Authorities().Certificate(value, words[3], words[4:]...), p.schemes[s])
	case "key": // set a key KIND NAME: a raw public key
		s.Credentials = RawCredentials(Authorities().Key(value, words[3]), p.schemes[s])
	case "trust": // set a trust root|other
		s.Trust = Trust(p.schemes[s], map[string]*pki.Holder{"root": Authorities().Root, "other": Authorities().Other}[value])
	case "revokes": // set a revokes b: Sub's list has the certificate of b; after trust
		chain := map[string]*sa.Settings{"a": p.a, "b": p.b}[value].Credentials.Chain()
		s.Trust = s.Trust.WithRevocation(Revoked(Authorities().Sub, chain[0]))
	case "revocation": // set a revocation strict: after trust
		s.Trust = s.Trust.WithRevocation(auth.Revocation{Policy: map[string]auth.RevocationPolicy{"strict": auth.RevocationStrict}[value]})
	case "fetch": // set a fetch strict good|revoked|nothing: after trust, of Root's responder
		s.Trust = s.Trust.WithRevocation(auth.Revocation{Policy: map[string]auth.RevocationPolicy{"strict": auth.RevocationStrict}[value],
			Fetcher: Responder{Authorities().Root, words[3]}})
	case "staple": // set a staple good|revoked|nothing: after certificate
		s.Credentials = s.Credentials.WithStaple(Responder{Authorities().Root, value}, []*x509.Certificate{Authorities().Root.Certificate})
	case "trustkey": // set a trustkey KIND NAME
		s.Trust = TrustKey(p.schemes[s], Authorities().Key(value, words[3]).Public())
	case "transport": // set a transport only|prefer PROTOCOL,..: between the hosts, for these protocols; 0: all
		return setTransport(s, value, words[3])
	case "child": // set a child NAME LOCAL,.. REMOTE,..
		return setChild(s, words[2:])
	default:
		return fmt.Errorf("no such setting")
	}
	return nil
}

// setResources is as many as twice the workers where no number is given.
func setResources(s *sa.Settings, words []string) error {
	n, err := strconv.Atoi(words[0])
	s.Resources = sa.Resources{Workers: n, Most: 2 * n}
	if err == nil && len(words) > 1 {
		s.Resources.Most, err = strconv.Atoi(words[1])
	}
	return err
}

// setV1 changes what only IKEv1 has: set a aggressive yes, set a login USER PASSWORD,
// set b users USER PASSWORD, set a address request, set b address assign|push PREFIX.
func setV1(s *sa.Settings, what string, words []string) error {
	value, last := words[0], words[len(words)-1]
	switch what {
	case "aggressive":
		s.Aggressive = value == "yes"
	case "login":
		s.XAUTH = &sa.XAUTH{User: value, Password: auth.NewSecret([]byte(last))}
	case "users":
		s.XAUTH = &sa.XAUTH{Users: map[string]auth.Secret{value: auth.NewSecret([]byte(last))}}
	case "address":
		s.ModeConfig.Request, s.ModeConfig.Push = value == "request", value == "push"
		if !s.ModeConfig.Request {
			s.ModeConfig.Assign = netip.MustParsePrefix(last)
			s.Children[0].Remote = Networks(last)
		}
	}
	return nil
}

func pairV1() (a, b sa.Settings) {
	x, y := PairV1()
	return *x, *y
}

func proposalsOf(s *sa.Settings) func(transform.Protocol, ...string) []transform.Proposal {
	if s.Version == 1 {
		return ProposalsV1
	}
	return Proposals
}

func parse(to *time.Duration, value string) (err error) {
	*to, err = time.ParseDuration(value)
	return err
}

func setChild(s *sa.Settings, words []string) error {
	if len(words) != 3 {
		return fmt.Errorf("usage: set a child NAME LOCAL REMOTE")
	}
	c := sa.ChildSettings{Name: words[0], Local: list(words[1]), Remote: list(words[2])}
	if i := slices.IndexFunc(s.Children, func(o sa.ChildSettings) bool { return o.Name == c.Name }); i >= 0 {
		s.Children[i] = c
		return nil
	}
	s.Children = append(s.Children, c)
	return nil
}

// setTransport makes the child of a connection one in transport mode.
func setTransport(s *sa.Settings, mode, protocols string) error {
	c := sa.ChildSettings{Name: s.Children[0].Name, Mode: map[string]sa.Mode{"only": sa.ModeTransport, "prefer": sa.ModePreferTransport}[mode]}
	for _, text := range strings.Split(protocols, ",") {
		n, err := strconv.ParseUint(text, 10, 8)
		if err != nil {
			return err
		}
		for _, any := range selector.Any() {
			any.Protocol = uint8(n)
			c.Local = append(c.Local, any)
		}
	}
	c.Remote = c.Local
	s.Children[0] = c
	return nil
}

func list(s string) selector.List { return Networks(strings.Split(s, ",")...) }
