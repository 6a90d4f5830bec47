package tunnel

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/tunnel/udp"
)

// TestRemovedKeysAreErased: at once for the SAD, a moment later for a worker
// that is in the middle of a batch.
func TestRemovedKeysAreErased(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		spi, _ := p.child(t, selector.Any(), selector.Any(), nil)
		pair := p.a.children[spi]
		p.a.RemoveChild(spi)
		if p.a.sad.lookup(spi) != nil {
			t.Error("still received on")
		}
		if _, _, err := pair.out.out.Reserve(1, 1); err != nil {
			t.Errorf("erased under the hands of the workers: %v", err)
		}
		time.Sleep(2 * eraseDelay)
		synctest.Wait()
		if _, _, err := pair.out.out.Reserve(1, 1); !errors.Is(err, esp.ErrExhausted) {
			t.Errorf("the outbound keys are still there: %v", err)
		}
		if _, _, err := pair.in.in.Open(esp.NewScratch(), make([]byte, 100)); !errors.Is(err, esp.ErrExhausted) {
			t.Errorf("the inbound keys are still there: %v", err)
		}
	})
}

// TestErasedInTheMiddleOfABatch: the run is dropped whole, others go out.
func TestErasedInTheMiddleOfABatch(t *testing.T) {
	s := newStage(t, nil)
	spi, err := s.AllocateSPI("peer", 0)
	if err != nil {
		t.Fatal(err)
	}
	limited := parameters(spi, func(p *esp.Parameters) { p.Limits.SoftPackets = 1 })
	in, err := esp.NewInbound(limited)
	if err != nil {
		t.Fatal(err)
	}
	out, err := esp.NewOutbound(limited)
	if err != nil {
		t.Fatal(err)
	}
	// Between the reservation and the first packet.
	s.out.t.cfg.OnLifetime = func(string, uint32, bool) { out.Erase() }
	narrow := selector.Compile(selector.Any(), list(t, "10.2.0.1/32"))
	if err := s.InstallInbound("peer", in, narrow, s.anywhere(), s.anywhere()); err != nil {
		t.Fatal(err)
	}
	if err := s.ActivateOutbound("peer", out, narrow, spi, s.anywhere(), s.anywhere()); err != nil {
		t.Fatal(err)
	}
	erased := udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{})
	fine := udpPacket(t, "10.1.0.1", "10.2.0.2", 10, ipOptions{})
	if err := s.load(fine, erased, erased, fine).carry(); err != nil {
		t.Fatal(err)
	}
	got := s.TotalCounters()
	if got.PacketsOut != 2 || got.Drops[DropNoSA] != 2 || s.sink.sent != 1 {
		t.Errorf("%+v, %d runs", got, s.sink.sent)
	}
}

// failing sends nothing, for a reason that passes or that does not.
type failing struct {
	*sink
	err error
}

func (f failing) NewSender(int) Sender { return f }

func (f failing) Send(runs []udp.Run) error {
	for i := range runs {
		runs[i].Result, runs[i].Lost = udp.Dropped, runs[i].Datagrams()
	}
	return f.err
}

func TestSocketsCannotSend(t *testing.T) {
	for _, final := range []error{nil, net.ErrClosed} {
		s := newStage(t, func(c *Config) { c.Transport = failing{newSink(), final} })
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{})
		if err := s.load(b, b).carry(); !errors.Is(err, final) {
			t.Errorf("carry says %v, want %v", err, final)
		}
		if got := s.TotalCounters(); got.Drops[DropSend] != 2 || got.PacketsOut != 0 {
			t.Errorf("%+v", got)
		}
	}
}
