package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/relay"
	"causeway/test/lab/world"
)

const (
	// hostileDatagrams are sent in all, hostileBurst at a time: as many as a
	// socket's buffer surely takes.
	hostileDatagrams = 100_000
	hostileBurst     = 50
	hostilePause     = 8 * time.Millisecond
	// hostileGrowth bounds what a gateway's memory grows by.
	hostileGrowth = 64 << 20
)

// TestHostile throws replays and mutations of a real handshake and of real ESP
// at two gateways, in the name of the peer and as strangers, while their tunnel
// carries a ping. Nothing changes, nothing is lost but what a full socket tells of,
// and every datagram on the ESP port that is no IKE message is counted.
func TestHostile(t *testing.T) {
	s := newScene(t)
	var heard recording
	r := s.relay(heard.watch)
	a, b := relayedPair()
	far, near := s.causeway(s.GatewayB, b), s.causeway(s.GatewayA, a)
	s.up(far)
	s.up(near)
	s.pingBoth(a)
	s.must(near.RekeyChild(s.ctx))
	s.must(far.RekeyChild(s.ctx))
	s.pingBoth(a)
	s.settled(near)
	s.settled(far)
	victims := []*victim{s.victim(near), s.victim(far)}
	there := s.stream(s.ClientA, world.ClientIn(world.SiteB.Networks[0]))
	back := s.stream(s.ClientB, world.ClientIn(world.SiteA.Networks[2]))
	thrown := s.throw(r, &heard)
	there.halt()
	back.halt()
	// A gateway that stands still for a moment on a busy machine has no room for a
	// burst, nor for an echo.
	overflow := 0
	for _, v := range victims {
		overflow += int(v.overflow(s.statusOf(v.gateway)))
	}
	there.finishMissing(overflow)
	back.finishMissing(overflow)
	for i, v := range victims {
		v.unharmed(thrown[i])
	}
	s.must(near.RekeyChild(s.ctx))
	s.must(far.RekeyChild(s.ctx))
	s.pingBoth(a)
}

// settled waits until the rekeys have left one Child SA.
func (s *scene) settled(g *gateway.Gateway) {
	s.t.Helper()
	s.eventually("one Child SA", func() error {
		if c, up := s.statusOf(g).Up("link"); !up || len(c.Children) != 1 || c.State != "up" {
			return fmt.Errorf("%+v", c)
		}
		return nil
	})
}

func (s *scene) statusOf(g *gateway.Gateway) *gateway.Status {
	s.t.Helper()
	status, err := g.Status(s.ctx)
	s.must(err)
	return status
}

// tried is what was thrown at one gateway. An empty datagram counts as nothing.
type tried struct{ all, esp int }

// throw sends the mutations: half of them to the far gateway and a quarter to
// the near one, each in the name of its peer, the rest to the far one from
// strangers. It gives what the near and the far gateway got.
func (s *scene) throw(r *relay.Relay, heard *recording) (thrown [2]tried) {
	s.t.Helper()
	strangers := s.strangers()
	toFar, toNear := heard.all(relay.ToFar), heard.all(relay.ToNear)
	m := newMutator(3)
	pause := time.NewTicker(hostilePause)
	defer pause.Stop()
	for i := range hostileDatagrams {
		if i%hostileBurst == 0 {
			<-pause.C
		}
		from, victim := toFar, 1
		if i%4 == 0 {
			from, victim = toNear, 0
		}
		h := from[m.random.IntN(len(from))]
		if m.random.IntN(20) == 0 { // on the other port
			h.path = pathIKE + pathNAT - h.path
		}
		payload := m.mutate(h.payload)
		if h.path == pathNAT && !hasMarker(payload) && m.random.IntN(4) == 0 {
			m.freshen(payload)
		}
		if i%4 == 1 {
			s.must(sendTo(strangers[m.random.IntN(len(strangers))], world.SiteB.Outer4, h.port(), payload))
		} else {
			s.must(r.Inject(h.path, h.direction, payload))
		}
		thrown[victim].all++
		if h.path == pathNAT && len(payload) > 0 && !hasMarker(payload) {
			thrown[victim].esp++
		}
	}
	return thrown
}

// hasMarker tells IKE from ESP on port 4500 (RFC 3948 §2.2). The marker alone is
// neither.
func hasMarker(payload []byte) bool { return len(payload) > 4 && [4]byte(payload) == [4]byte{} }

func sendTo(conn *net.UDPConn, to netip.Addr, port uint16, payload []byte) error {
	_, err := conn.WriteToUDPAddrPort(payload, netip.AddrPortFrom(to, port))
	return err
}

// victim is a gateway, and what it was like before.
type victim struct {
	s        *scene
	gateway  *gateway.Gateway
	before   *gateway.Status
	resident int64
	errors   int
}

func (s *scene) victim(g *gateway.Gateway) *victim {
	s.t.Helper()
	return &victim{s, g, s.statusOf(g), s.resident(g), s.complaints(g)}
}

// unharmed compares the gateway with what it was like before.
func (v *victim) unharmed(got tried) {
	t := v.s.t
	t.Helper()
	if err := v.gateway.Running(); err != nil {
		t.Fatal(err)
	}
	after := v.s.statusOf(v.gateway)
	name := after.Gateway.Name
	old, c := v.before.Connections[0], after.Connections[0]
	if c.State != "up" || c.IKE == nil || *c.IKE != *old.IKE {
		t.Errorf("%s: the connection is %s with %+v, and was %s with %+v", name, c.State, c.IKE, old.State, old.IKE)
	}
	if len(c.Children) != 1 || c.Children[0].SPIIn != old.Children[0].SPIIn || c.Children[0].SPIOut != old.Children[0].SPIOut {
		t.Errorf("%s: the Child SAs are %+v, and were %+v", name, c.Children, old.Children)
	}
	if grown := v.s.resident(v.gateway) - v.resident; grown > hostileGrowth {
		t.Errorf("%s: memory grew by %d bytes, want at most %d", name, grown, hostileGrowth)
	} else {
		t.Logf("%s: memory grew by %d kB", name, grown>>10)
	}
	if n := v.s.complaints(v.gateway); n > v.errors {
		t.Errorf("%s: %d errors in its log, see %s", name, n-v.errors, v.gateway.Log())
	}
	v.counted(after, got)
}

// counted compares the drop counters with what was thrown. A datagram that
// found the socket full is counted there, together with IKE.
func (v *victim) counted(after *gateway.Status, got tried) {
	v.s.t.Helper()
	dropped := map[string]uint64{}
	var total uint64
	for _, reason := range []string{"authentication", "replay", "unknown_spi", "malformed", "keepalive"} {
		dropped[reason] = after.Gateway.Drops[reason] - v.before.Gateway.Drops[reason]
		total += dropped[reason]
	}
	overflow := v.overflow(after)
	v.s.t.Logf("%s: of %d datagrams, %d of them ESP: dropped %v, overflow %d", after.Gateway.Name, got.all, got.esp, dropped, overflow)
	if total > uint64(got.esp) || total+overflow < uint64(got.esp) {
		v.s.t.Errorf("%s: %d datagrams are counted as dropped, and %d at the sockets; %d were thrown", after.Gateway.Name, total, overflow, got.esp)
	}
	for _, reason := range []string{"authentication", "replay", "unknown_spi", "malformed"} {
		if dropped[reason] == 0 {
			v.s.t.Errorf("%s: nothing was dropped as %s", after.Gateway.Name, reason)
		}
	}
}

// overflow is what found the sockets full.
func (v *victim) overflow(after *gateway.Status) uint64 {
	return after.Gateway.Sockets.Drops["overflow"] - v.before.Gateway.Sockets.Drops["overflow"]
}

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// resident is the gateway's resident memory in bytes.
func (s *scene) resident(g *gateway.Gateway) int64 {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.PID()))
	s.must(err)
	m := residentLine.FindSubmatch(text)
	if m == nil {
		s.t.Fatalf("no VmRSS in:\n%s", text)
	}
	kilobytes, err := strconv.ParseInt(string(m[1]), 10, 64)
	s.must(err)
	return kilobytes << 10
}

var complaint = regexp.MustCompile(`(?m)^\{"level":"(error|dpanic|panic|fatal)"|^panic:|^fatal error:|^goroutine \d`)

// complaints counts the errors in the gateway's log.
func (s *scene) complaints(g *gateway.Gateway) int {
	s.t.Helper()
	log, err := os.ReadFile(g.Log())
	s.must(err)
	return len(complaint.FindAll(log, -1))
}
