package tunnel

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"
	"time"

	"causeway/esp"
	"causeway/tunnel/tun"
	"causeway/tunnel/tun/tuntest"
	"causeway/tunnel/udp"
)

// batchQueues and superQueues are devices with several queues.
type batchQueues struct {
	*tuntest.Device
	n int
}

type superQueues struct {
	*tuntest.Super
	n int
}

func (q batchQueues) Queues() int { return q.n }
func (q superQueues) Queues() int { return q.n }

func withQueues(d memoryDevice, n int) tun.Device {
	if super, ok := d.(*tuntest.Super); ok {
		return superQueues{super, n}
	}
	return batchQueues{d.(*tuntest.Device), n}
}

// sockets2 is a transport with two sockets for one inbox.
type sockets2 struct{ *wire }

func (s sockets2) Receivers(worker int) []Receiver {
	if worker > 0 {
		return nil
	}
	return []Receiver{s.wire, s.wire}
}

// TestWorkersShareAnSA has three workers seal under one SA and two open: every
// packet arrives, once. Run it with -race.
func TestWorkersShareAnSA(t *testing.T) { onBoth(t, workersShareAnSA) }

func workersShareAnSA(t *testing.T, super bool) {
	p := newPair(t, pairConfig{super: super})
	p.a.patience = 1 << 40
	order := p.a.wire.sequences()
	p.a.cfg.Device = withQueues(p.a.device, 3)
	p.b.cfg.Transport = sockets2{p.b.wire}
	p.run(t)
	const total, each = 2000, 4
	template := udpPacket(t, "10.1.0.1", "10.2.0.1", 20, ipOptions{})
	go func() {
		for n := 0; n < total; n += each {
			var batch [each][]byte
			for i := range batch {
				batch[i] = append([]byte{}, template...)
				binary.BigEndian.PutUint32(batch[i][28:], uint32(n+i))
			}
			p.a.device.Inject(batch[:]...)
		}
	}()
	seen := map[uint32]bool{}
	for len(seen) < total {
		select {
		case b := <-p.b.device.Written():
			n := binary.BigEndian.Uint32(b[28:])
			if seen[n] || n >= total {
				t.Fatalf("packet %d came twice or was never sent", n)
			}
			seen[n] = true
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of %d packets arrived; %+v", len(seen), total, p.b.TotalCounters())
		}
	}
	if late := order(); late != 0 {
		t.Errorf("%d packets left after one with a higher sequence number", late)
	}
}

// sequences looks at the sequence numbers of what is sent, and tells how many
// were lower than one before.
func (w *wire) sequences() (late func() int) {
	var mu sync.Mutex
	var highest uint32
	n := 0
	w.onSend(func(m udp.Message) []udp.Message {
		mu.Lock()
		defer mu.Unlock()
		for i := range m.Segments() {
			seq := binary.BigEndian.Uint32(m.Segment(i)[4:])
			if seq < highest {
				n++
			}
			highest = max(highest, seq)
		}
		return []udp.Message{m}
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// TestTurns: workers with packets of two SAs each, reserved in every order that
// there can be, wait for no circle, and those that cannot wait go on.
func TestTurns(t *testing.T) {
	a, b := new(turns), new(turns)
	for _, s := range []struct {
		of          *turns
		first, last uint64
		due         bool
	}{{a, 1, 4, true}, {a, 9, 9, false}, {b, 1, 2, true}, {a, 5, 8, true}, {a, 9, 9, true}, {b, 4, 4, false}} {
		if due := s.of.due(s.first); due != s.due {
			t.Errorf("%d to %d: due is %v", s.first, s.last, due)
		}
		if s.due {
			s.of.pass(s.last)
		}
	}
	b.wait(4, 3) // gives up
	b.pass(4)
	b.pass(3)
	if !b.due(5) {
		t.Error("what is overtaken makes the next one wait")
	}
}

// TestTurnIsWaitedFor: a worker that reserved later and is ready earlier sends
// later.
func TestTurnIsWaitedFor(t *testing.T) {
	p := newPair(t, pairConfig{super: true})
	p.a.patience = 1 << 40
	late := p.a.wire.sequences()
	sa := p.a.forwarding.Load().connections["peer"].outbound.Load().children[0]
	b := udpPacket(t, "10.1.0.1", "10.2.0.1", 20, ipOptions{})
	var first, second sendQueue
	for _, q := range []*sendQueue{&first, &second} {
		q.init(p.a.Tunnel, 0)
		q.seal(esp.NewScratch(), 1, []outboundPacket{{bytes: b, sa: sa, sealed: sa.out.SealedLen(len(b)), nextHeader: 4}})
	}
	var done sync.WaitGroup
	done.Go(func() { _ = second.flush(1) })
	for range 1000 {
		runtime.Gosched()
	}
	_ = first.flush(1)
	done.Wait()
	if n := late(); n != 0 {
		t.Errorf("%d packets left after one with a higher sequence number", n)
	}
}

// TestTurnsOfABatch: what leaves with one call, where runs of two SAs alternate
// and another worker is between.
func TestTurnsOfABatch(t *testing.T) {
	a, b := &outboundSA{turns: new(turns)}, &outboundSA{turns: new(turns)}
	q := &sendQueue{t: &Tunnel{}, notes: []runNote{
		{sa: a, first: 1, last: 4}, {sa: b, first: 1, last: 1}, {sa: a, first: 5, last: 5}, {sa: b, first: 2, last: 9},
		{sa: a, first: 7, last: 7}, // 6 is another worker's
		{sa: b, first: 10, last: 10},
	}}
	if n := q.inTurn(0); n != 4 {
		t.Errorf("%d runs leave together, want 4", n)
	}
	if n := q.inTurn(4); n != 1 {
		t.Errorf("%d runs leave together while 2 to 9 of the other SA have not, want 1", n)
	}
	b.turns.pass(9)
	if n := q.inTurn(4); n != 2 {
		t.Errorf("%d runs leave together, want 2", n)
	}
}

func TestWorkersBoundsTheQueuesRead(t *testing.T) { onBoth(t, workersBoundsTheQueuesRead) }

func workersBoundsTheQueuesRead(t *testing.T, super bool) {
	p := newPair(t, pairConfig{super: super})
	p.a.cfg.Device = withQueues(p.a.device, 8)
	p.a.cfg.Workers = 1
	p.run(t)
	b := pingPacket(t, "10.1.0.1", "10.2.0.1", nil)
	p.a.device.Inject(b)
	select {
	case got := <-p.b.device.Written():
		wantPacket(t, got, b)
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
}

// TestMemory: whatever carries packets takes all of its memory when it is made, and
// no more than docs/packet.md says, in KiB, for either data path.
func TestMemory(t *testing.T) {
	native, _ := newSuperStage(t)
	portable := newStage(t, nil)
	for _, c := range []struct {
		name       string
		documented uint64
		make       func() any
	}{
		{"worker of the native data path", 5 << 10, func() any {
			return []any{newOutboundWorker(native.Tunnel, 0), newInboundWorker(native.Tunnel, 0)}
		}},
		{"reader of the portable data path", 9 << 10, func() any { return newOutboundWorker(portable.Tunnel, 0) }},
		{"receiver of the portable data path", 6.5 * 1024, func() any { return newInboundWorker(portable.Tunnel, 0) }},
		{"receiver of the native data path", 4.5 * 1024, func() any { return newInboundWorker(native.Tunnel, 0) }},
		{"sender off the path", 512, func() any { return newSourceless(native.Tunnel, 0) }},
		{"writer off the path, native", 192, func() any { return newDeliverer(native.Tunnel, 0) }},
		{"writer off the path, portable", 2.5 * 1024, func() any { return newDeliverer(portable.Tunnel, 0) }},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		made := c.make()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(made)
		n := (after.TotalAlloc - before.TotalAlloc) >> 10
		if t.Logf("a %s takes %d KiB", c.name, n); n > c.documented || n < c.documented/2 {
			t.Errorf("documented are %d", c.documented)
		}
	}
}
