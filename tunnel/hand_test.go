package tunnel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/tunnel/tun"
	"causeway/tunnel/udp"
)

// queuesSeen is a device with two queues that notes what is written to each.
type queuesSeen struct {
	*sink
	mu      sync.Mutex
	numbers [2][]uint32
	before  func(number uint32) // a write, if not nil
}

type queueSeen struct {
	d     *queuesSeen
	queue int
}

func (d *queuesSeen) Queues() int                { return len(d.numbers) }
func (d *queuesSeen) NewReader(int) tun.Reader   { return nil }
func (d *queuesSeen) NewWriter(q int) tun.Writer { return queueSeen{d, q} }
func (q queueSeen) Write(_ tun.Offload, pieces [][]byte) error {
	number := binary.BigEndian.Uint32(pieces[0][28:])
	if q.d.before != nil {
		q.d.before(number)
	}
	q.d.mu.Lock()
	defer q.d.mu.Unlock()
	q.d.numbers[q.queue] = append(q.d.numbers[q.queue], number)
	return nil
}

// backlog is a socket in which everything waits already.
type backlog struct {
	Receiver
	messages []udp.Message
	batch    int
}

func (r *backlog) TryReceive(b *udp.Batch) (int, error) {
	n := copy(b.Messages[:r.batch], r.messages)
	r.messages = r.messages[n:]
	return n, nil
}

// newBacklog seals so many messages of eight numbered packets.
func newBacklog(t testing.TB, s *stage, messages, size int) *backlog {
	t.Helper()
	const each = 8
	r := &backlog{batch: 2}
	packets := make([][]byte, each)
	for i := range packets {
		packets[i] = udpPacket(t, "10.1.0.1", "10.2.0.1", size, ipOptions{})
	}
	from := newSealer(s, packets)
	for n := range messages {
		for i, p := range packets {
			binary.BigEndian.PutUint32(p[28:], uint32(n*each+i))
		}
		m := from.next()[0]
		m.Payload = bytes.Clone(m.Payload)
		r.messages = append(r.messages, m)
	}
	return r
}

// TestHandsKeepTheOrder has three workers take from one socket: each packet is
// written once, to the queue of the socket's worker, in the order of arrival.
func TestHandsKeepTheOrder(t *testing.T) {
	d := &queuesSeen{sink: newSink()}
	s := newStage(t, func(c *Config) { c.Device = d })
	const messages, packets = 600, 600 * 8
	socket := &shared{receiver: newBacklog(t, s, messages, 300), queue: 1}
	var working sync.WaitGroup
	for range 3 {
		in := newInboundWorker(s.Tunnel, 0)
		working.Go(func() {
			for {
				n, err := in.takeShared(socket)
				if err != nil {
					t.Error(err)
				}
				if n == 0 {
					return
				}
			}
		})
	}
	working.Wait()
	if len(d.numbers[0]) != 0 || len(d.numbers[1]) != packets || !slices.IsSorted(d.numbers[1]) {
		t.Errorf("%d packets to the queue of another, %d of %d to the socket's, in order: %v",
			len(d.numbers[0]), len(d.numbers[1]), packets, slices.IsSorted(d.numbers[1]))
	}
	if n := s.TotalCounters(); n.PacketsIn != packets || n.Drops != (Drops{}) {
		t.Errorf("%+v", n)
	}
}

// TestHandWaitsForItsTurn has the worker with the first batch lose its processor
// for a second, or end, while it writes: the second batch is written after that.
func TestHandWaitsForItsTurn(t *testing.T) {
	for name, stop := range map[string]func(){
		"held up": func() { time.Sleep(time.Second) },
		"ended":   func() { time.Sleep(time.Second); runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var second time.Duration
				writing := make(chan struct{})
				d := &queuesSeen{sink: newSink()}
				d.before = func(number uint32) {
					switch number {
					case 0:
						close(writing)
						stop()
					case 8:
						second = time.Since(began)
					}
				}
				s := newStage(t, func(c *Config) { c.Device = d })
				waiting := newBacklog(t, s, 2, 300)
				waiting.batch = 1
				socket := &shared{receiver: waiting}
				take := func() {
					if _, err := newInboundWorker(s.Tunnel, 0).takeShared(socket); err != nil {
						t.Error(err)
					}
				}
				go take()
				<-writing
				take()
				if second < time.Second {
					t.Errorf("the second batch was written after %v", second)
				}
			})
		})
	}
}

// TestHandIsAsked: who asks, and who is asked.
func TestHandIsAsked(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Device = &queuesSeen{sink: newSink()} })
	newWorker := func() *worker {
		set, err := newPollSet()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(set.close)
		w := &worker{t: s.Tunnel, out: s.out, in: s.in, set: set, load: &load{}}
		s.hands.join(w)
		return w
	}
	busy, other := newWorker(), newWorker()
	socket := &shared{receiver: &backlog{batch: 1}}
	asked := func(what string, want bool) {
		t.Helper()
		other.set.wait(0)
		got := s.hands.wanted.Load() == socket && !other.resting.Load()
		if got != want {
			t.Errorf("%s: asked is %v", what, got)
		}
		s.hands.enough(socket)
		other.resting.Store(true)
	}
	backlogged := func() {
		for range fullRow + 1 {
			busy.watchBacklog(socket, fullBatch)
		}
	}

	other.resting.Store(true)
	busy.pressed = true
	busy.watchBacklog(socket, fullBatch)
	asked("one full batch", false)
	backlogged()
	asked("many full batches", true)
	busy.watchBacklog(socket, fullBatch-1)
	busy.watchBacklog(socket, fullBatch)
	asked("one that was not full between", false)
	busy.pressed = false
	backlogged()
	asked("others want the processor", false)
	busy.pressed = true
	other.resting.Store(false)
	backlogged()
	if s.hands.wanted.Load() != nil {
		t.Error("a worker that has work of its own was asked")
	}
	other.resting.Store(true)
	s.hands.narrow.Store(true)
	backlogged()
	asked("an SA with a small replay window", false)

	s.hands.narrow.Store(false)
	backlogged()
	if s.Lent() != 0 {
		t.Errorf("%d messages were lent", s.Lent())
	}
	if some, err := other.lend(); some || err != nil || s.hands.wanted.Load() != nil {
		t.Errorf("lent to an empty socket: %v, %v", some, err)
	}
}

// TestCallEndsOneWait: a worker that is called does not find itself called again.
func TestCallEndsOneWait(t *testing.T) {
	set, err := newPollSet()
	if err != nil {
		t.Fatal(err)
	}
	defer set.close()
	set.call()
	set.wait(-1)
	if !set.ready(placeCall) {
		t.Error("the call was not heard")
	}
	set.wait(0)
	if set.ready(placeCall) {
		t.Error("the call is heard twice")
	}
}

// BenchmarkHands opens what waits in one socket by one worker and by two, without
// a kernel. Compare with -cpu 2.
func BenchmarkHands(b *testing.B) {
	for workers := 1; workers <= 2; workers++ {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			const messages, size = 1024, 1370
			b.SetBytes(messages * 8 * size)
			for range b.N {
				b.StopTimer()
				s := newStage(b, func(c *Config) { c.Device = &queuesSeen{sink: newSink()} })
				waiting := newBacklog(b, s, messages, size)
				waiting.batch = fullBatch
				socket := &shared{receiver: waiting}
				var working sync.WaitGroup
				var list []*inboundWorker
				for range workers {
					list = append(list, newInboundWorker(s.Tunnel, 0))
				}
				b.StartTimer()
				for _, in := range list {
					working.Go(func() {
						for n := 1; n > 0; {
							n, _ = in.takeShared(socket)
						}
					})
				}
				working.Wait()
			}
		})
	}
}
