package lab

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"causeway/test/lab/world"
)

// streamPeriod is how often a stream sends: 50 times a second.
const streamPeriod = 20 * time.Millisecond

// A stream that has ended waits for what is on its way until nothing has come for
// lateAnswers, or if it may have lost some, for lateForLossy. On a busy machine a
// gateway, or the test itself, may stand still for a second and more.
const (
	lateAnswers  = 5 * time.Second
	lateForLossy = time.Second
)

// streamRoom is bytes for the answers of some seconds, while the test stands still.
const streamRoom = 4 << 20

// stream is echo requests (RFC 792, RFC 4443) that go on beside the test. It sends and
// counts by itself, and not by ping, which takes no answer any more once it is to end.
type stream struct {
	t    *testing.T
	conn net.PacketConn
	to   *net.IPAddr
	mark [8]byte // tells its echoes from those of others

	stop  chan struct{}
	sends sync.WaitGroup
	reads sync.WaitGroup

	mu      sync.Mutex
	answers []int // how many came, by the number of the request
	last    time.Time
}

// stream begins one, which the end of the test ends, if nobody did before.
func (s *scene) stream(from *world.Namespace, to netip.Addr) *stream {
	s.t.Helper()
	return s.streamOf(from, to, streamPeriod, 0)
}

// streamOf is stream with another period, for so many requests; 0: until it is ended.
func (s *scene) streamOf(from *world.Namespace, to netip.Addr, period time.Duration, count int) *stream {
	s.t.Helper()
	p := &stream{t: s.t, to: &net.IPAddr{IP: to.AsSlice()}, stop: make(chan struct{})}
	_, _ = rand.Read(p.mark[:]) // never fails
	network := "ip4:icmp"
	if to.Is6() {
		network = "ip6:ipv6-icmp"
	}
	s.must(from.Do(func() (err error) {
		p.conn, err = net.ListenPacket(network, "")
		return err
	}))
	s.must(makeRoom(p.conn.(*net.IPConn), streamRoom))
	p.reads.Go(p.receive)
	p.sends.Go(func() { p.send(period, count) })
	s.t.Cleanup(p.end)
	return p
}

// end ends it, again too.
func (p *stream) end() {
	p.halt()
	_ = p.conn.Close()
	p.reads.Wait()
}

// halt has it send nothing more.
func (p *stream) halt() {
	p.mu.Lock()
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.mu.Unlock()
	p.sends.Wait()
}

func (p *stream) send(period time.Duration, count int) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for n := 0; count == 0 || n < count; n++ {
		p.mu.Lock()
		p.answers = append(p.answers, 0)
		p.last = time.Now()
		p.mu.Unlock()
		_, _ = p.conn.WriteTo(p.request(n), p.to) // what is lost is counted
		select {
		case <-tick.C:
		case <-p.stop:
			return
		}
	}
}

// request is as long as one of ping.
func (p *stream) request(n int) []byte {
	b := make([]byte, 64)
	b[0] = 8
	if p.to.IP.To4() == nil {
		b[0] = 128 // its checksum is the kernel's task
	}
	copy(b[4:6], p.mark[:]) // identifier
	binary.BigEndian.PutUint16(b[6:], uint16(n))
	copy(b[8:], p.mark[:])
	binary.BigEndian.PutUint64(b[16:], uint64(n))
	if b[0] == 8 {
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// checksum is the Internet's (RFC 1071), of an even number of bytes.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func (p *stream) receive() {
	for b := make([]byte, 1500); ; {
		n, _, err := p.conn.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < 24 || b[0] != 0 && b[0] != 129 || !bytes.Equal(b[8:16], p.mark[:]) {
			continue
		}
		p.mu.Lock()
		if i := binary.BigEndian.Uint64(b[16:]); i < uint64(len(p.answers)) {
			p.answers[i]++
			p.last = time.Now()
		}
		p.mu.Unlock()
	}
}

// finish ends the stream; every echo must have been answered once.
func (p *stream) finish() {
	p.t.Helper()
	p.finishMissing(0)
}

// finishMissing is finish for a stream that may have lost so many. It tells how
// many it lost.
func (p *stream) finishMissing(most int) int {
	p.t.Helper()
	p.halt()
	late := lateAnswers
	if most > 0 {
		late = lateForLossy
	}
	for !p.settled(late) {
		time.Sleep(streamPeriod)
	}
	p.end()
	var missing []int
	for i, n := range p.answers {
		if n == 0 {
			missing = append(missing, i)
		}
	}
	if len(missing) > most || len(missing) == len(p.answers) {
		p.t.Errorf("of %d echo requests %d were lost, %d may be: %v", len(p.answers), len(missing), most, missing)
	} else {
		p.t.Logf("of %d echo requests %d were lost", len(p.answers), len(missing))
	}
	if twice := slices.IndexFunc(p.answers, func(n int) bool { return n > 1 }); twice >= 0 {
		p.t.Errorf("echo request %d was answered %d times", twice, p.answers[twice])
	}
	return len(missing)
}

// settled tells whether all answers are there, or none has come for so long.
func (p *stream) settled(late time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !slices.Contains(p.answers, 0) || time.Since(p.last) > late
}

// under runs body while both clients ping each other, and then lets the pings
// go on for half a second.
func (s *scene) under(body func()) {
	s.t.Helper()
	a, b := world.ClientIn(world.SiteA.Networks[0]), world.ClientIn(world.SiteB.Networks[0])
	there, back := s.stream(s.ClientA, b), s.stream(s.ClientB, a)
	s.ping(s.ClientA, b, 10)
	body()
	s.ping(s.ClientA, b, 25)
	there.finish()
	back.finish()
}
