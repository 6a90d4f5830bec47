package lab

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/ike"
	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
)

// peer is a gateway inside the test, in gateway B's namespace, whose keys the
// test has: it negotiates as any other and then sends whatever it is told to.
// Its data path receives nothing.
type peer struct {
	engine *ike.Engine
	local  netip.Addr
	ike    *net.UDPConn // port 500
	nat    *net.UDPConn // port 4500

	outbound chan *sa.Child
	scratch  *esp.Scratch
	sealer   *esp.Outbound
	remote   netip.AddrPort

	mu   sync.Mutex
	spis uint32
}

// peer starts one that waits for the other side.
func (s *scene) peer(end link.End) *peer {
	s.t.Helper()
	p := &peer{local: end.Local, outbound: make(chan *sa.Child, 16), scratch: esp.NewScratch(), spis: 0x1000}
	settings, err := settingsOf(end)
	s.must(err)
	p.ike, err = s.listenAtB(netip.AddrPortFrom(end.Local, 500))
	s.must(err)
	p.nat, err = s.listenAtB(netip.AddrPortFrom(end.Local, 4500))
	s.must(err)
	p.engine, err = ike.NewEngine(ike.EngineConfig{Transport: p, DataPath: p, Report: func(sa.Report) {}})
	s.must(err)
	p.engine.Set(s.ctx, []ike.Connection{{Settings: settings, Start: ike.StartOnDemand}})
	var readers sync.WaitGroup
	readers.Go(func() { p.receive(p.ike, 0) })
	readers.Go(func() { p.receive(p.nat, 4) })
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p.engine.Close(ctx)
		_, _ = p.ike.Close(), p.nat.Close()
		readers.Wait()
	})
	return p
}

func (s *scene) listenAtB(a netip.AddrPort) (conn *net.UDPConn, err error) {
	moved := s.GatewayB.Do(func() error {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
		return nil
	})
	if moved != nil {
		return nil, moved
	}
	return conn, err
}

func settingsOf(end link.End) (*sa.Settings, error) {
	c := &sa.Settings{
		Name: end.Connection(), PSK: auth.NewSecret([]byte(end.PSK)), RespondOnly: true,
		Children: []sa.ChildSettings{{Name: end.Connection()}},
	}
	for _, n := range end.LocalNetworks {
		c.Children[0].Local = append(c.Children[0].Local, selector.FromPrefix(n))
	}
	for _, n := range end.RemoteNetworks {
		c.Children[0].Remote = append(c.Children[0].Remote, selector.FromPrefix(n))
	}
	for _, keywords := range end.IKE {
		proposal, err := transform.ParseProposal(transform.IKE, keywords)
		if err != nil {
			return nil, err
		}
		c.IKEProposals = append(c.IKEProposals, proposal)
	}
	for _, keywords := range end.ESP {
		proposal, err := transform.ParseProposal(transform.ESP, keywords)
		if err != nil {
			return nil, err
		}
		c.ESPProposals = append(c.ESPProposals, proposal)
	}
	var err error
	if c.LocalIdentity, err = auth.ParseIdentity(end.LocalIdentity); err != nil {
		return nil, err
	}
	c.RemoteIdentity, err = auth.ParseIdentity(end.RemoteIdentity)
	return c, err
}

// receive gives IKE messages to the engine until the socket is closed.
func (p *peer) receive(conn *net.UDPConn, marker int) {
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		if marker > 0 && !hasMarker(buffer[:n]) {
			continue // ESP
		}
		local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
		p.engine.Receive(buffer[marker:n], local, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}

// child waits until the other side can receive, and prepares to send.
func (p *peer) child(s *scene) {
	s.t.Helper()
	select {
	case c := <-p.outbound:
		var err error
		p.remote = c.Remote
		p.sealer, err = esp.NewOutbound(esp.Parameters{
			SPI: c.SPIOut, Cipher: esp.AESGCM16, EncryptionKey: c.EncryptionOut.Bytes(), ESN: c.Suite.ESN,
		})
		s.must(err)
	case <-s.ctx.Done():
		s.t.Fatal("the peer has no Child SA")
	}
}

// seal makes an ESP packet with the next sequence number.
func (p *peer) seal(s *scene, next byte, inner []byte) []byte {
	s.t.Helper()
	sequence, _, err := p.sealer.Reserve(1, len(inner))
	s.must(err)
	return p.sealer.Seal(p.scratch, make([]byte, 0, p.sealer.SealedLen(len(inner))), inner, next, sequence)
}

func (p *peer) send(s *scene, packet []byte) {
	s.t.Helper()
	_, err := p.nat.WriteToUDPAddrPort(packet, p.remote)
	s.must(err)
}

// accounted waits until the gateway has one packet more, dropped for that
// reason or, with none, delivered; and nothing else.
func (s *scene) accounted(g *gateway.Gateway, before *gateway.Connection, what, reason string) {
	s.t.Helper()
	want := maps.Clone(before.Drops)
	delivered := before.Children[0].PacketsIn
	if reason != "" {
		want[reason]++
	} else {
		delivered++
	}
	s.eventually(what, func() error {
		c := s.status(g, link.Name)
		if !maps.Equal(c.Drops, want) || reason == "" && c.Children[0].PacketsIn != delivered {
			return fmt.Errorf("dropped %v and received %d, want %v and %d", c.Drops, c.Children[0].PacketsIn, want, delivered)
		}
		return nil
	})
}

// SendIKE implements ike.Transport.
func (p *peer) SendIKE(b []byte, local, remote netip.AddrPort) error {
	conn := p.ike
	if local.Port() == 4500 {
		conn, b = p.nat, append(make([]byte, 4), b...)
	}
	_, err := conn.WriteToUDPAddrPort(b, remote)
	return err
}

// SendProbe implements ike.Transport.
func (p *peer) SendProbe(b []byte, local, remote netip.AddrPort) error {
	return p.SendIKE(b, local, remote)
}

// LocalAddr implements ike.Transport.
func (p *peer) HasAddr(a netip.Addr) bool { return a == p.local }

func (p *peer) LocalAddr(netip.Addr) (netip.Addr, error) { return p.local, nil }

// AllocateSPI implements ike.DataPath.
func (p *peer) AllocateSPI(string, int) (uint32, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spis++
	return p.spis, nil
}

// Accepts implements ike.DataPath.
func (p *peer) Accepts(string, *sa.Child) error { return nil }

// InstallInbound implements ike.DataPath.
func (p *peer) InstallInbound(string, *sa.Child) error { return nil }

// ActivateOutbound implements ike.DataPath.
func (p *peer) ActivateOutbound(_ string, c *sa.Child) error {
	select {
	case p.outbound <- c:
	default:
	}
	return nil
}

// StopOutbound implements ike.DataPath.
func (p *peer) StopOutbound(string, uint32) {}

// RemoveChild implements ike.DataPath.
func (p *peer) RemoveChild(string, uint32) {}

// MoveChildren implements ike.DataPath.
func (p *peer) SkipAhead(string, uint32, uint64) {}

func (p *peer) MoveChildren(string, []uint32, netip.AddrPort, netip.AddrPort) {}

// Carried implements ike.DataPath.
func (p *peer) Carried(uint32) (in, out uint64) { return 0, 0 }

// LastInbound implements ike.DataPath.
func (p *peer) LastInbound(uint32) time.Time { return time.Time{} }

var _ interface {
	ike.Transport
	ike.DataPath
} = (*peer)(nil)
