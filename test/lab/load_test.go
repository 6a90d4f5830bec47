package lab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"causeway/test/lab/world"
)

// payload is the UDP payload of a load's packets. It fits every tunnel here.
const payload = 1200

// load is traffic that goes on beside a test until stop.
type load struct {
	// packets is how many datagrams arrived, of a load by UDP.
	packets atomic.Uint64

	sockets []interface{ Close() error }
	ended   atomic.Bool
	work    sync.WaitGroup
}

// stop ends it and waits.
func (l *load) stop() {
	l.ended.Store(true)
	for _, c := range l.sockets {
		_ = c.Close() // whoever uses it sees that
	}
	l.work.Wait()
}

// udp sends so many bits a second of payload, whatever arrives.
func (s *scene) udp(from, to *world.Namespace, address netip.Addr, rate float64) *load {
	s.t.Helper()
	l := &load{}
	var sink, source *net.UDPConn
	s.must(to.Do(func() (err error) {
		sink, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
		return err
	}))
	s.must(from.Do(func() (err error) {
		source, err = net.DialUDP("udp", nil, sink.LocalAddr().(*net.UDPAddr))
		return err
	}))
	_ = sink.SetReadBuffer(4 << 20) // as much as the kernel allows
	l.sockets = append(l.sockets, sink, source)
	l.work.Go(func() {
		for buffer := make([]byte, 2*payload); ; {
			if _, err := sink.Read(buffer); errors.Is(err, net.ErrClosed) {
				return
			}
			l.packets.Add(1)
		}
	})
	l.work.Go(func() { l.pace(source, rate) })
	return l
}

// pace sends what is due every millisecond. What a busy machine kept it from
// sending for longer than a moment is not made up for.
func (l *load) pace(to net.Conn, rate float64) {
	const tick, most = time.Millisecond, 20 * time.Millisecond
	each := time.Duration(8 * payload / rate * float64(time.Second))
	data := make([]byte, payload)
	due := time.Now()
	for !l.ended.Load() {
		now := time.Now()
		if now.Sub(due) > most {
			due = now.Add(-most)
		}
		for ; due.Before(now); due = due.Add(each) {
			_, _ = to.Write(data) // a full queue is what a load is for
		}
		time.Sleep(tick)
	}
}

// tcp sends as fast as it may over so many connections.
func (s *scene) tcp(from, to *world.Namespace, address netip.Addr, flows int) *load {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, s.patience)
	defer cancel()
	l := &load{}
	var listener net.Listener
	s.must(to.Do(func() (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", netip.AddrPortFrom(address, 0).String())
		return err
	}))
	defer listener.Close()
	for range flows {
		var sender net.Conn
		s.must(from.Do(func() (err error) {
			sender, err = new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
			return err
		}))
		receiver, err := listener.Accept()
		s.must(err)
		l.sockets = append(l.sockets, sender, receiver)
		l.work.Go(func() { repeat(sender.Write) })
		l.work.Go(func() { repeat(receiver.Read) })
	}
	return l
}

func repeat(call func([]byte) (int, error)) {
	for buffer := make([]byte, chunk); ; {
		if _, err := call(buffer); err != nil {
			return
		}
	}
}

// usage is what the router's links to sites carried at a time.
type passedAt struct {
	at   time.Time
	sent map[string]world.Passed // towards the sites
	back map[string]world.Passed
}

func (s *scene) passed() passedAt {
	s.t.Helper()
	out, in, err := s.Router.Links()
	s.must(err)
	return passedAt{time.Now(), out, in}
}

// rates are the bits a second towards each site since before.
func (p passedAt) rates(before passedAt, sites []string) []float64 {
	took := p.at.Sub(before.at).Seconds()
	list := make([]float64, len(sites))
	for i, name := range sites {
		list[i] = float64(p.sent[name].Bytes-before.sent[name].Bytes) * 8 / took
	}
	return list
}

func total(rates []float64) (sum float64) {
	for _, r := range rates {
		sum += r
	}
	return sum
}

// jain is Jain's index of fairness: 1 if all are equal.
func jain(rates []float64) float64 {
	squares := 0.0
	for _, r := range rates {
		squares += r * r
	}
	return total(rates) * total(rates) / (float64(len(rates)) * squares)
}
