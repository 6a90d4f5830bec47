package transcript

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"causeway/esp/selector"
	"causeway/ike/cookie"
	"causeway/ike/ikev2"
	"causeway/ike/sa"
	"causeway/ike/ticket"
	"causeway/ike/wire"
)

// Host is one end: a machine for its one connection, an acceptor, and what a
// data path would hold.
type Host struct {
	Name string
	Addr netip.Addr
	// Also are further addresses of the host.
	Also []netip.Addr
	// Unreachable are addresses of the host that nothing arrives at, though it does
	// not know.
	Unreachable []netip.Addr
	Settings    *sa.Settings
	// Retransmit is the schedule of its machine, as of the next restart.
	Retransmit sa.RetransmitPolicy
	// Besides are further connections for which the acceptor may take a peer; the
	// machine is that of Settings.
	Besides []*sa.Settings
	// Machine and Acceptor are those of IKEv2; nil in a host of IKEv1.
	Machine  *ikev2.Machine
	Acceptor *ikev2.Acceptor
	// Deaf makes it a peer that does not look at ESP on SPIs that it does not have.
	Deaf bool
	// Inbound are the installed Child SAs by inbound SPI, Outbound those that
	// were activated, the newest last.
	Inbound  map[uint32]*sa.Child
	Outbound []*sa.Child
	// Reports are all reports but traces.
	Reports []sa.Report
	// Actions are all actions of machine and acceptor, for replays.
	Actions []sa.Action
	// Faulty, when set, makes the host a faulty peer: it sends what Faulty makes of
	// the payloads of an encrypted message.
	Faulty func(wire.Header, []wire.Payload) []wire.Payload
	// Moved is where ESP goes of Child SAs that moved, by inbound SPI.
	Moved map[uint32]netip.AddrPort
	// Declines is how many of the next Child SAs the data path does not accept, and
	// Refuses of how many that it accepted it does not install.
	Declines, Refuses int
	// OnEvent, when set, sees every event before the machine does.
	OnEvent func(now time.Time, acceptor bool, ev sa.Event)
	// Leaves, when set, says which work is never done.
	Leaves func(sa.StartWork) bool

	later    []sa.Event // what the owner says when the step is over
	refused  []uint32   // inbound SPIs of Child SAs that the data path refused, as the owner is yet to say
	unusable map[uint32]bool
	world    *World
	machine  speaker
	acceptor listener
	foreign  listener // the acceptor of the other version
	random   *rand.ChaCha8
	alter    alteration           // of the next message that it fits, or nil
	muted    []byte               // the SPI of a DELETE that was not sent
	carried  map[uint32][2]uint64 // packets in and out by inbound SPI
	heard    map[uint32]time.Time // of the last ESP by inbound SPI
	past     map[uint64]bool      // IKE SPIs that were released
	spis     map[uint64]bool      // true: the acceptor's
	keys     map[uint64][][]byte  // SK_* of IKEv2 by local SPI, as they are in memory
	jobs     []job
	reserved map[uint32]bool
	tickets  *ticket.Mint // its key does not outlive a crash
}

type job struct {
	acceptor bool
	ticket   sa.Ticket
	job      sa.Job
}

// Retransmit is the schedule of every machine that has none of its own.
var Retransmit = sa.RetransmitPolicy{First: time.Second, Factor: 2, Max: 30 * time.Second, Tries: 5}

func newHost(w *World, name string, addr netip.Addr, settings *sa.Settings) *Host {
	h := &Host{Name: name, Addr: addr, Settings: settings, world: w, past: map[uint64]bool{}}
	h.Retransmit = Retransmit
	h.random = rand.NewChaCha8([32]byte{name[0]})
	h.Restart(cookie.Config{})
	return h
}

// Reseed makes the host draw other random octets from now on.
func (h *Host) Reseed(seed uint64) {
	h.random.Seed([32]byte{h.Name[0], byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24), byte(seed >> 32)})
}

// Restart is a crash: machine, acceptor and data path begin anew, and the peer
// is not told.
func (h *Host) Restart(gate cookie.Config) {
	h.Inbound, h.Outbound, h.carried = map[uint32]*sa.Child{}, nil, map[uint32][2]uint64{}
	h.heard = map[uint32]time.Time{}
	h.spis, h.reserved, h.jobs = map[uint64]bool{}, map[uint32]bool{}, nil
	h.Moved = map[uint32]netip.AddrPort{}
	h.refused, h.unusable = nil, map[uint32]bool{}
	h.keys = map[uint64][][]byte{}
	gate.Random = h.random
	g, err := cookie.New(gate)
	if err != nil {
		panic(err)
	}
	h.speak(g)
}

// Up starts towards the other host, as the NAT shows it.
func (h *Host) Up() {
	remote := h.world.Other(h).Addr
	h.Step(sa.Up{Local: netip.AddrPortFrom(h.Addr, 500), Remote: netip.AddrPortFrom(remote, 500)})
}

// Step tells the machine of an event and performs what it wants.
func (h *Host) Step(ev sa.Event) { h.step(false, ev) }

func (h *Host) step(acceptor bool, ev sa.Event) {
	if h.OnEvent != nil {
		h.OnEvent(h.world.Now, acceptor, ev)
	}
	var actions []sa.Action
	if acceptor {
		actions = h.acceptor.Step(nil, h.world.Now, ev)
	} else {
		actions = h.machine.Step(nil, h.world.Now, ev)
	}
	h.rests(acceptor)
	h.Actions = append(h.Actions, actions...)
	for _, a := range actions {
		h.perform(acceptor, a)
	}
	for len(h.later) > 0 {
		ev := h.later[0]
		h.later = h.later[1:]
		h.step(false, ev)
	}
	if !h.world.HoldWork {
		h.work()
	}
}

// rests checks that nothing is due once a step did what was due: a deadline that
// has passed would be asked about without end.
func (h *Host) rests(acceptor bool) {
	d := h.machine.Deadline()
	if acceptor {
		d = h.acceptor.Deadline()
	}
	if !d.IsZero() && !d.After(h.world.Now) {
		h.world.fault("%s waits for a deadline that passed %v ago", h.Name, h.world.Now.Sub(d))
	}
}

// work finishes what was started.
func (h *Host) work() {
	for len(h.refused) > 0 {
		spi := h.refused[0]
		h.refused = h.refused[1:]
		h.step(false, sa.LifetimeHit{SPI: spi, Hard: true})
	}
	for len(h.jobs) > 0 {
		j := h.jobs[0]
		h.jobs = h.jobs[1:]
		h.step(j.acceptor, sa.WorkDone{Ticket: j.ticket, Result: j.job.Run()})
	}
}

// Receive leads a datagram by its SPI, as the engine does.
func (h *Host) Receive(d sa.Datagram) {
	h.world.logf("%s receives %v", h.Name, &Packet{Bytes: d.Raw})
	if h.isForeign(d.Raw) {
		for _, a := range h.foreign.Step(nil, h.world.Now, d) {
			h.perform(true, a)
		}
		return
	}
	h.step(h.listens(d.Raw), d)
}

func localSPI(raw []byte) uint64 {
	var spi uint64
	if len(raw) < 28 {
		return 0
	}
	from := 0
	if raw[19]&0x08 != 0 {
		from = 8
	}
	for _, b := range raw[from : from+8] {
		spi = spi<<8 | uint64(b)
	}
	return spi
}

func (h *Host) deadline() time.Time {
	d, e := h.machine.Deadline(), h.acceptor.Deadline()
	if d.IsZero() || !e.IsZero() && e.Before(d) {
		return e
	}
	return d
}

// tick fires what is due.
func (h *Host) tick() {
	if d := h.machine.Deadline(); !d.IsZero() && !d.After(h.world.Now) {
		h.step(false, sa.TimerDue{})
	}
	if d := h.acceptor.Deadline(); !d.IsZero() && !d.After(h.world.Now) {
		h.step(true, sa.TimerDue{})
	}
}

func (h *Host) perform(acceptor bool, act sa.Action) {
	switch a := act.(type) {
	case sa.Send:
		h.world.send(h, a)
	case sa.StartWork:
		if h.Leaves != nil && h.Leaves(a) {
			return
		}
		h.jobs = append(h.jobs, job{acceptor, a.Ticket, a.Job})
	case sa.RegisterSPI:
		if h.past[a.SPI] {
			h.world.fault("%s uses the IKE SPI %016x twice", h.Name, a.SPI)
		}
		h.spis[a.SPI] = acceptor
	case sa.ReleaseSPI:
		if h.spis[a.SPI] == acceptor {
			delete(h.spis, a.SPI)
			h.past[a.SPI] = true
			h.checkErased(a.SPI)
		}
	case sa.Handover:
		h.step(false, sa.Adopt{Half: a.Half})
	case sa.FindPaths:
		h.later = append(h.later, h.pathsFound(a))
	case sa.Redirect:
		h.Step(h.redirected(a.To))
	case sa.Doubt:
		h.step(false, sa.Doubted{SPI: a.SPI})
	case sa.InstallInbound:
		h.install(a.Child)
	case sa.ActivateOutbound:
		h.activate(a.Child)
	case sa.RemoveChild:
		if c := h.Inbound[a.SPIIn]; c != nil && !(c.EncryptionIn.IsZero() && c.EncryptionOut.IsZero()) {
			h.world.fault("%s removes SPI %08x and keeps its keys", h.Name, a.SPIIn)
		}
		delete(h.Inbound, a.SPIIn)
		delete(h.reserved, a.SPIIn)
		delete(h.unusable, a.SPIIn)
		h.Outbound = slices.DeleteFunc(h.Outbound, func(c *sa.Child) bool { return c.SPIIn == a.SPIIn })
	case sa.StopOutbound:
		h.Outbound = slices.DeleteFunc(h.Outbound, func(c *sa.Child) bool { return c.SPIIn == a.SPIIn })
	case sa.SkipAhead:
		h.world.logf("%s leaves out %d sequence numbers of %08x", h.Name, a.By, a.SPIIn)
	case sa.MoveChildren:
		for _, spi := range a.SPIsIn {
			h.Moved[spi] = a.Remote
		}
		h.world.logf("%s moves its Child SAs to %v", h.Name, a.Remote)
	case sa.Emit:
		h.report(a.Report)
	}
}

// hold keeps the SK_* of an IKE SA, to see that they are overwritten.
func (h *Host) hold(spi uint64, keys ...[]byte) { h.keys[spi] = append(h.keys[spi], keys...) }

// Keyed is how many IKE SAs had keys and were not given back.
func (h *Host) Keyed() int { return len(h.keys) }

// checkErased tells of keys of an IKE SA that outlive it.
func (h *Host) checkErased(spi uint64) {
	for _, k := range h.keys[spi] {
		if slices.ContainsFunc(k, func(octet byte) bool { return octet != 0 }) {
			h.world.fault("%s ends the IKE SA %016x and keeps its keys", h.Name, spi)
			break
		}
	}
	delete(h.keys, spi)
}

// accepts is the data path's word on a Child SA that is to be.
func (h *Host) accepts(c *sa.Child) error {
	if h.Declines == 0 {
		return nil
	}
	h.Declines--
	h.world.logf("the data path of %s does not accept SPI %08x", h.Name, c.SPIIn)
	return errors.New("no such cipher")
}

func (h *Host) install(c *sa.Child) {
	if !h.reserved[c.SPIIn] || h.Inbound[c.SPIIn] != nil {
		h.world.fault("%s installs SPI %08x, which it has not reserved or has twice", h.Name, c.SPIIn)
	}
	if c.EncryptionIn.IsZero() && c.IntegrityIn.IsZero() {
		h.world.fault("%s installs SPI %08x, whose keys are gone", h.Name, c.SPIIn)
	}
	if h.Refuses > 0 { // as the owner takes it: a hard lifetime that ends
		h.Refuses--
		h.world.disrupted, h.unusable[c.SPIIn] = true, true
		h.refused = append(h.refused, c.SPIIn)
		h.world.logf("the data path of %s refuses SPI %08x", h.Name, c.SPIIn)
		return
	}
	h.Inbound[c.SPIIn] = c
}

// activate checks what makes a rekey lose nothing: a Child SA that takes over
// is received by the peer already.
func (h *Host) activate(c *sa.Child) {
	if h.unusable[c.SPIIn] {
		return
	}
	if h.Inbound[c.SPIIn] == nil {
		h.world.fault("%s sends on SPI %08x before it receives", h.Name, c.SPIOut)
	}
	if c.EncryptionOut.IsZero() && c.IntegrityOut.IsZero() {
		h.world.fault("%s sends on SPI %08x, whose keys are gone", h.Name, c.SPIOut)
	}
	if peer := h.world.Other(h); c.Rekeys != 0 && peer.Inbound[c.SPIOut] == nil && !h.world.Broken() {
		h.world.fault("%s sends on SPI %08x, which %s does not receive", h.Name, c.SPIOut, peer.Name)
	}
	h.Outbound = slices.DeleteFunc(h.Outbound, func(o *sa.Child) bool { return o.SPIIn == c.SPIIn })
	h.Outbound = append(h.Outbound, c)
}

// Sends is the Child SA that a packet of the named child would leave by, from a
// worker that has none of its own.
func (h *Host) Sends(name string) *sa.Child { return h.SendsBy(name, 0) }

// SendsBy is the same for the worker of that number, counted from 1: its own, that
// which is for all, any.
func (h *Host) SendsBy(name string, worker int) *sa.Child {
	for _, fits := range []func(c *sa.Child) bool{
		func(c *sa.Child) bool { return c.Resource == worker },
		func(c *sa.Child) bool { return c.Resource == 0 },
		func(c *sa.Child) bool { return true },
	} {
		for _, c := range slices.Backward(h.Outbound) {
			if c.Name == name && fits(c) {
				return c
			}
		}
	}
	return nil
}

// Ping sends one packet of the named child, from one worker. ok says that the other
// end received it; one on an SPI that it does not have is told to its machine.
func (h *Host) Ping(name string, worker int) (ok bool) {
	out, peer := h.SendsBy(name, worker), h.world.Other(h)
	if out == nil {
		return false
	}
	n := h.carried[out.SPIIn]
	h.carried[out.SPIIn] = [2]uint64{n[0], n[1] + 1}
	in := peer.Inbound[out.SPIOut]
	switch {
	case in == nil && peer.Deaf:
		return false
	case in == nil:
		peer.unknownSPI(out)
		return false
	}
	n = peer.carried[in.SPIIn]
	peer.carried[in.SPIIn] = [2]uint64{n[0] + 1, n[1]}
	return true
}

// Hears is ESP of the peer on every Child SA.
func (h *Host) Hears() {
	for spi := range h.Inbound {
		h.heard[spi] = h.world.Now
	}
}

// pathsFound pairs the peer's addresses with those of the host.
func (h *Host) pathsFound(a sa.FindPaths) sa.PathsFound {
	out := sa.PathsFound{SPI: a.SPI}
	for _, remote := range a.Remotes {
		for _, local := range append([]netip.Addr{h.Addr}, h.Also...) {
			out.Paths = append(out.Paths, sa.Path{Local: local, Remote: remote})
		}
	}
	return out
}

// redirected is the way to an address; names have none.
func (h *Host) redirected(to string) sa.Redirected {
	addr, err := netip.ParseAddr(to)
	if err != nil {
		return sa.Redirected{Failure: &sa.Failure{Reason: sa.ReasonAddressUnresolved, Message: err.Error()}}
	}
	return sa.Redirected{Local: netip.AddrPortFrom(h.Addr, 500), Remote: netip.AddrPortFrom(addr, 500)}
}

// unknownSPI leads the data path's word to whoever has an IKE SA with the sender,
// else to the acceptor, as the engine does.
func (h *Host) unknownSPI(c *sa.Child) {
	if len(h.Snapshot().IKE) > 0 {
		h.Step(sa.UnknownSPI{SPI: c.SPIOut, Local: c.Remote, Remote: c.Local})
		return
	}
	h.step(true, sa.UnknownSPI{SPI: c.SPIOut, Local: c.Remote, Remote: c.Local})
}

func (h *Host) report(r sa.Report) {
	if _, trace := r.(sa.MessageTrace); !trace {
		h.Reports = append(h.Reports, r)
	}
	if line := describe(r); line != "" {
		h.world.logf("%s %s", h.Name, line)
	}
}

// describe is one line of the transcript.
func describe(r sa.Report) string {
	switch r := r.(type) {
	case sa.MessageTrace:
		return describeTrace(r)
	case sa.Connecting:
		return fmt.Sprintf("connecting initiator=%v", r.Initiator)
	case sa.IKEEstablished:
		text := fmt.Sprintf("IKE SA established initiator=%v nat=%s suite=%s identities=%s,%s rekeys=%v",
			r.IKE.Initiator, r.IKE.NAT, r.IKE.Suite, r.IKE.LocalIdentity, r.IKE.RemoteIdentity, r.Rekeys != 0)
		if r.IKE.Resumed {
			text += " resumed=true"
		}
		return text
	case sa.IKEClosed:
		return fmt.Sprintf("IKE SA closed replaced=%v remote=%v%s", r.Replaced, r.Remote, describeFailure(r.Failure))
	case sa.ChildEstablished:
		text := fmt.Sprintf("Child SA %s %08x/%08x established %v === %v suite=%s rekeys=%08x",
			r.Child.Name, r.Child.SPIIn, r.Child.SPIOut, r.Child.LocalSelectors, r.Child.RemoteSelectors, r.Child.Suite, r.Child.Rekeys)
		if r.Child.Bare {
			text += " without UDP"
		}
		if t := r.Child.Transport; t != nil {
			text += fmt.Sprintf(" in transport mode, to the peer %v === %v", t.OriginalLocal, t.OriginalRemote)
		}
		if r.Child.NoTFC {
			text += " without TFC padding"
		}
		if r.Child.Resource > 0 {
			text += fmt.Sprintf(" for worker %d", r.Child.Resource)
		}
		return text
	case sa.AddressAssigned:
		return fmt.Sprintf("address %v assigned to the peer=%v", r.Address, r.ToPeer)
	case sa.PathProbed:
		return fmt.Sprintf("probe of %d octets answered=%v", r.Size, r.Answered)
	case sa.ChildClosed:
		return fmt.Sprintf("Child SA %08x/%08x closed replaced=%v remote=%v%s", r.SPIIn, r.SPIOut, r.Replaced, r.Remote, describeFailure(r.Failure))
	case sa.Failed:
		return "failed" + describeFailure(r.Failure)
	case sa.RedirectedTo:
		return "is sent to " + r.To
	case sa.TicketRefused:
		return "does without its ticket: " + r.Why
	case sa.PPKUnused:
		return fmt.Sprintf("does without the post-quantum key %q", r.ID)
	case sa.EndpointChanged:
		if r.Old == r.New && r.NAT == "" {
			return fmt.Sprintf("is at %v now", r.Local)
		}
		if r.Old == r.New {
			return fmt.Sprintf("is at %v with nat=%s", r.Local, r.NAT)
		}
		return fmt.Sprintf("peer moved from %v to %v", r.Old, r.New)
	case sa.MessageDropped:
		return fmt.Sprintf("drops a message: %s: %s", r.Reason, r.Detail)
	}
	return ""
}

func describeTrace(r sa.MessageTrace) string {
	cut := ""
	if r.Fragments > 0 {
		cut = fmt.Sprintf(" in %d fragments", r.Fragments)
	}
	if !r.Sent {
		return fmt.Sprintf("  reads%s: %s", cut, r.Summary)
	}
	kind, again := "request", ""
	if r.Response {
		kind = "response"
	}
	if r.Retransmit > 0 {
		again = " again"
	}
	return fmt.Sprintf("sends%s %s %s %d to port %d%s: %s", again, r.Exchange, kind, r.MessageID, r.Remote.Port(), cut, r.Summary)
}

func describeFailure(f *sa.Failure) string {
	if f == nil {
		return ""
	}
	return fmt.Sprintf(" %+v", f)
}

// Crash restarts the host, with a gate of default limits.
func (h *Host) Crash() {
	h.world.disrupted, h.tickets = true, nil
	h.Restart(cookie.Config{})
}

// wantsOwn says that a worker could use a Child SA of its own, and sends on what it
// has.
func (h *Host) wantsOwn(worker int, sends bool) {
	flow := selector.Flow{Src: netip.MustParseAddr("10.1.0.1"), Dst: netip.MustParseAddr("10.2.0.1"), Protocol: 1}
	if h.Name == "b" {
		flow.Src, flow.Dst = flow.Dst, flow.Src
	}
	h.Step(sa.TrafficNeeded{Flow: flow, Resource: worker})
	if sends {
		h.Ping("net", worker)
	}
}

// allows changes how many Child SAs for single workers there may be.
func (h *Host) allows(most int) {
	changed := *h.Settings
	changed.Resources.Most = most
	h.Settings = &changed
	h.machine.Reconfigure(&changed)
	h.Step(sa.TimerDue{})
}

// moves gives the host other networks, or those that it had, as a reload does.
func (h *Host) moves() {
	changed := *h.Settings
	changed.Children = slices.Clone(changed.Children)
	local := Networks("10.5.0.0/16")
	if changed.Children[0].Local.Equal(local) {
		local = Networks("10.1.0.0/16")
	}
	changed.Children[0].Local = local
	h.Settings = &changed
	h.machine.Reconfigure(&changed)
	h.Step(sa.TimerDue{})
}

// limit is the data path's word that the Child SA in use reached a limit.
func (h *Host) limit(hard bool) {
	if c := h.Sends("net"); c != nil {
		h.world.disrupted = h.world.disrupted || hard
		h.Step(sa.LifetimeHit{SPI: c.SPIIn, Hard: hard})
	}
}
