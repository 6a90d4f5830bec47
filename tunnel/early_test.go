package tunnel

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"causeway/esp/selector"
)

// half makes a Child SA on which a sends, and gives what makes b receive on it.
func half(t *testing.T, p *pair) (receive func()) {
	t.Helper()
	spis := [2]uint32{}
	for i, g := range []*gateway{p.a, p.b} {
		spi, err := g.AllocateSPI("peer", 0)
		if err != nil {
			t.Fatal(err)
		}
		spis[i] = spi
	}
	any := selector.Compile(selector.Any(), selector.Any())
	p.install(t, p.a, p.b, spis[0], spis[1], any, nil)
	p.activate(t, p.a, p.b, spis[0], spis[1], any, nil)
	return func() { p.install(t, p.b, p.a, spis[1], spis[0], any, nil) }
}

// TestEarlyPacketsArrive: what the peer sends on a Child SA before its answer made
// it here is delivered once it did, in order.
func TestEarlyPacketsArrive(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		receive := half(t, p)
		packets := numbered(t, 6, 100)
		p.a.device.Inject(packets[:3]...)
		p.b.nothing(t)
		time.Sleep(maxEarlyTime / 2)
		receive()
		for _, want := range packets[:3] {
			wantPacket(t, p.b.next(t), want)
		}
		p.a.device.Inject(packets[3:]...)
		for _, want := range packets[3:] {
			wantPacket(t, p.b.next(t), want)
		}
		p.b.dropped(t, 0, 0)
	})
}

// TestEarlyPacketsAreBounded in number and in time.
func TestEarlyPacketsAreBounded(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		receive := half(t, p)
		p.a.device.Inject(numbered(t, maxEarly+10, 100)...)
		synctest.Wait()
		p.b.dropped(t, DropUnknownSPI, 10)
		receive()
		for range maxEarly {
			p.b.next(t)
		}
		p.b.nothing(t)

		receive = half(t, p)
		p.a.device.Inject(numbered(t, 5, 100)...)
		synctest.Wait()
		time.Sleep(2 * maxEarlyTime)
		receive()
		p.b.nothing(t)
		p.b.dropped(t, DropUnknownSPI, 15)
	})
}

// TestEarlyPacketsExpire, also if nothing comes after them.
func TestEarlyPacketsExpire(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		half(t, p)
		p.a.device.Inject(numbered(t, 5, 100)...)
		synctest.Wait()
		p.b.dropped(t, DropUnknownSPI, 0)
		time.Sleep(keepaliveTick + maxEarlyTime)
		synctest.Wait()
		p.b.dropped(t, DropUnknownSPI, 5)
		if held := p.b.early.packets; held != nil {
			t.Errorf("%d packets are held", len(held))
		}
	})
}

// TestEarlyOfAnSAThatIsRemoved: what was held for an SA that is gone again by the
// time it is looked up stays held, and stops nobody.
func TestEarlyOfAnSAThatIsRemoved(t *testing.T) {
	p := newPair(t, pairConfig{noChild: true})
	spi, err := p.b.AllocateSPI("peer", 0)
	if err != nil {
		t.Fatal(err)
	}
	b := binary.BigEndian.AppendUint32(nil, spi)
	if !p.b.holdEarly(earlyPacket{spi: spi, bytes: append(b, make([]byte, 60)...), at: p.b.now()}) {
		t.Fatal("not held")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.b.takeEarly(spi) // as if it had been there a moment ago
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("who takes what was held waits for itself")
	}
	if n := len(p.b.early.packets); n != 1 {
		t.Errorf("%d packets are held", n)
	}
}
