package ikev1

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/cookie"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// duo is two ends and the network between them, under a virtual clock.
type duo struct {
	t    testing.TB
	now  time.Time
	a, b *end
	wire []packet
	// lose says which datagrams are lost, by their number from 1.
	lose func(n int) bool
	sent int
}

type packet struct {
	to            *end
	local, remote netip.AddrPort // as the receiver sees them
	raw           []byte
}

// end is a machine for one connection, an acceptor, and what a data path holds.
type end struct {
	duo      *duo
	name     string
	addr     netip.Addr
	settings *sa.Settings
	random   *rand.ChaCha8
	m        *Machine
	acceptor *Acceptor
	strange  map[uint64]bool
	inbound  map[uint32]*sa.Child
	outbound []*sa.Child
	spi      uint32
	reports  []sa.Report
	out      [][]byte // everything that was sent
	// busy says that work of the machine is not done, only counted.
	busy bool
	jobs int
	// stuck says the same of work of the acceptor.
	stuck bool
}

func settings(local, remote string) *sa.Settings {
	prefix := func(s string) selector.List { return selector.List{selector.FromPrefix(netip.MustParsePrefix(s))} }
	return &sa.Settings{
		Name: "to-" + remote, Version: 1, PSK: auth.NewSecret([]byte("a key that both ends know")),
		RemoteAddresses: []netip.Addr{netip.MustParseAddr("192.0.2." + remote)},
		IKEProposals:    transform.DefaultIKEv1Proposals(), ESPProposals: transform.DefaultIKEv1ESPProposals(),
		Children:    []sa.ChildSettings{{Name: "net", Local: prefix("10." + local + ".0.0/16"), Remote: prefix("10." + remote + ".0.0/16")}},
		IKELifetime: 8 * time.Hour, ChildLifetime: sa.Lifetime{Time: time.Hour}, DPD: 30 * time.Second, ForceEncapsulation: true,
	}
}

func newDuo(t testing.TB, change ...func(a, b *sa.Settings)) *duo {
	d := &duo{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	a, b := settings("1", "2"), settings("2", "1")
	for _, c := range change {
		c(a, b)
	}
	d.a, d.b = d.end("a", "192.0.2.1", a), d.end("b", "192.0.2.2", b)
	return d
}

func (d *duo) end(name, addr string, s *sa.Settings) *end {
	e := &end{duo: d, name: name, addr: netip.MustParseAddr(addr), settings: s, random: rand.NewChaCha8([32]byte{name[0]}), spi: uint32(name[0]) << 24}
	e.restart()
	return e
}

func (e *end) restart() {
	e.strange, e.inbound, e.outbound = map[uint64]bool{}, map[uint32]*sa.Child{}, nil
	gate, err := cookie.New(cookie.Config{Random: e.random, ChallengeTotal: 1024, ChallengeSource: 64, MaxTotal: 1024, MaxSource: 64})
	if err != nil {
		e.duo.t.Fatal(err)
	}
	e.m = New(Config{Settings: e.settings, Random: e.random, Strict: true, AllocateSPI: func() (uint32, error) { e.spi++; return e.spi, nil }})
	e.acceptor = NewAcceptor(AcceptorConfig{Random: e.random, Gate: gate,
		Candidates: func(_, _ netip.Addr) []*sa.Settings { return []*sa.Settings{e.settings} }})
}

func (e *end) other() *end {
	if e == e.duo.a {
		return e.duo.b
	}
	return e.duo.a
}

func (e *end) up() {
	e.step(false, sa.Up{Local: netip.AddrPortFrom(e.addr, 500), Remote: netip.AddrPortFrom(e.other().addr, 500)})
}

func (e *end) step(acceptor bool, ev sa.Event) {
	var actions []sa.Action
	if acceptor {
		actions = e.acceptor.Step(nil, e.duo.now, ev)
	} else {
		actions = e.m.Step(nil, e.duo.now, ev)
	}
	for _, act := range actions {
		e.perform(acceptor, act)
	}
	for _, deadline := range []time.Time{e.m.Deadline(), e.acceptor.Deadline()} {
		if !deadline.IsZero() && deadline.Before(e.duo.now) {
			e.duo.t.Fatalf("%s waits for a deadline that passed %v ago", e.name, e.duo.now.Sub(deadline))
		}
	}
}

func (e *end) perform(acceptor bool, act sa.Action) {
	switch act := act.(type) {
	case sa.Send:
		e.out = append(e.out, act.Bytes)
		e.duo.sent++
		if e.duo.lose == nil || !e.duo.lose(e.duo.sent) {
			e.duo.wire = append(e.duo.wire, packet{e.other(), act.Remote, act.Local, slices.Clone(act.Bytes)})
		}
	case sa.StartWork:
		if e.busy && !acceptor || e.stuck && acceptor {
			e.jobs++
			return
		}
		e.step(acceptor, sa.WorkDone{Ticket: act.Ticket, Result: act.Job.Run()})
	case sa.RegisterSPI:
		e.strange[act.SPI] = acceptor
	case sa.ReleaseSPI:
		delete(e.strange, act.SPI)
	case sa.Handover:
		e.step(false, sa.Adopt{Half: act.Half})
	case sa.InstallInbound:
		e.inbound[act.Child.SPIIn] = act.Child
	case sa.ActivateOutbound:
		if e.inbound[act.Child.SPIIn] == nil {
			e.duo.t.Errorf("%s sends on %08x, which is not installed", e.name, act.Child.SPIIn)
		}
		e.outbound = append(e.outbound, act.Child)
	case sa.RemoveChild:
		delete(e.inbound, act.SPIIn)
		e.outbound = slices.DeleteFunc(e.outbound, func(c *sa.Child) bool { return c.SPIIn == act.SPIIn })
	case sa.Emit:
		if _, trace := act.Report.(sa.MessageTrace); !trace {
			e.reports = append(e.reports, act.Report)
		}
	}
}

// receive leads a datagram as the engine does.
func (e *end) receive(p packet) {
	acceptor := true
	if len(p.raw) >= isakmp.HeaderLen {
		for _, at := range []int{8, 0} {
			if strange, known := e.strange[binary.BigEndian.Uint64(p.raw[at:])]; known {
				acceptor = strange
				break
			}
		}
	}
	e.step(acceptor, sa.Datagram{Raw: slices.Clone(p.raw), Local: p.local, Remote: p.remote})
}

// settle delivers until the network is empty.
func (d *duo) settle() {
	for i := 0; len(d.wire) > 0; i++ {
		if i > 2000 {
			d.t.Fatal("the conversation does not end")
		}
		p := d.wire[0]
		d.wire = d.wire[1:]
		p.to.receive(p)
		d.carries()
	}
}

// carries checks that what either end sends on, the other receives on.
func (d *duo) carries() {
	for _, e := range []*end{d.a, d.b} {
		if len(e.outbound) == 0 {
			continue
		}
		c := e.outbound[len(e.outbound)-1]
		there := e.other().inbound[c.SPIOut]
		if there == nil {
			continue // told of by its own tests: a peer that crashed or deleted
		}
		if !there.EncryptionIn.Equal(c.EncryptionOut) || !there.IntegrityIn.Equal(c.IntegrityOut) {
			d.t.Errorf("the ends have different keys for %08x", c.SPIOut)
		}
	}
}

// advance lets time pass, and whatever is due happen.
func (d *duo) advance(by time.Duration) {
	until := d.now.Add(by)
	for range 100000 {
		d.settle()
		next, who, acceptor := until, (*end)(nil), false
		for _, e := range []*end{d.a, d.b} {
			for i, at := range []time.Time{e.m.Deadline(), e.acceptor.Deadline()} {
				if !at.IsZero() && !at.After(next) && (who == nil || at.Before(next)) {
					next, who, acceptor = at, e, i == 1
				}
			}
		}
		if next.After(d.now) {
			d.now = next
		}
		if who == nil {
			return
		}
		who.step(acceptor, sa.TimerDue{})
	}
	d.t.Fatal("time does not pass")
}

// wantUp checks that both ends have one ISAKMP SA, the same, and Child SAs that
// fit.
func (d *duo) wantUp() {
	d.t.Helper()
	x, y := d.a.m.Snapshot(), d.b.m.Snapshot()
	if x.State != sa.StateUp || y.State != sa.StateUp || len(x.IKE) != 1 || len(y.IKE) != 1 || x.IKE[0].SPIi != y.IKE[0].SPIi {
		d.t.Fatalf("a is %s with %d ISAKMP SAs, b %s with %d\n%s", x.State, len(x.IKE), y.State, len(y.IKE), d.failures())
	}
	if len(x.Children) != len(d.a.settings.Children) || len(y.Children) != len(x.Children) {
		d.t.Fatalf("a has %d Child SAs, b %d, wanted are %d\n%s", len(x.Children), len(y.Children), len(d.a.settings.Children), d.failures())
	}
	for _, e := range []*end{d.a, d.b} {
		for _, c := range e.outbound {
			if there := e.other().inbound[c.SPIOut]; there == nil {
				d.t.Errorf("%s sends on %08x, on which nobody receives", e.name, c.SPIOut)
			}
		}
	}
}

func (d *duo) failures() string {
	out := ""
	for _, e := range []*end{d.a, d.b} {
		for _, r := range e.reports {
			switch r := r.(type) {
			case sa.Failed:
				out += fmt.Sprintf("%s: %+v\n", e.name, r.Failure)
			case sa.MessageDropped:
				out += fmt.Sprintf("%s drops: %s: %s\n", e.name, r.Reason, r.Detail)
			}
		}
	}
	return out
}

// reason is that of the newest failure of an end.
func (e *end) reason() sa.Reason {
	for _, r := range slices.Backward(e.reports) {
		if f, ok := r.(sa.Failed); ok {
			return f.Failure.Reason
		}
	}
	return ""
}

// forge seals payloads as the end would for an exchange of phase 2, with the
// HASH over them that hash makes of the right one.
func (e *end) forge(ex isakmp.ExchangeType, id uint32, hash func([]byte) []byte, ps ...isakmp.Payload) packet {
	s := e.m.current()
	all, err := s.hashed(id, nil, ps)
	if err != nil {
		e.duo.t.Fatal(err)
	}
	h := all[0].(*isakmp.Hash)
	h.Data = hash(h.Data)
	raw, _, err := s.seal(s.header(ex, id), all, phaseTwoIV(s, id))
	if err != nil {
		e.duo.t.Fatal(err)
	}
	return packet{e.other(), s.remote, s.local, raw}
}
