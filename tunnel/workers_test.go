package tunnel

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"causeway/tunnel/tun"
	"causeway/tunnel/tun/tuntest"
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

// workerMemory is what docs/packet.md says of a worker's memory.
const workerMemory = 5 << 20

// TestWorkerMemory: a worker takes all of its memory when it is made.
func TestWorkerMemory(t *testing.T) {
	s, _ := newSuperStage(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, in := newOutboundWorker(s.Tunnel, 0), newInboundWorker(s.Tunnel, 0)
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(out)
	runtime.KeepAlive(in)
	if n := after.TotalAlloc - before.TotalAlloc; n > workerMemory || n < workerMemory/4 {
		t.Errorf("a worker takes %d KiB, documented are %d", n>>10, workerMemory>>10)
	} else {
		t.Logf("a worker takes %d KiB", n>>10)
	}
}
