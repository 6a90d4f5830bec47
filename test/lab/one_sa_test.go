package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

const (
	// backlogDatagrams wait at once: less than the replay window, and with 3DES half a
	// second of one processor.
	backlogDatagrams = 6000
	backlogSize      = 1200
	// backlogLent is how many messages another worker is to have opened: far more than
	// there are of IKE.
	backlogLent = 500
)

// TestOneSAOnTwoCores: what one flow sends on one Child SA is opened by two workers,
// and leaves in order (docs/adr/0016). The receiving gateway is stopped while its
// socket fills, and goes on when the senders are done: so two processors are enough to
// see it. A worker is lent a hand only where nobody else wants its processor, so the
// gateway goes before whatever else runs there.
func TestOneSAOnTwoCores(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	a.ESP, b.ESP = []string{"3des-sha1-esn"}, []string{"3des-sha1-esn"}
	a.GatewayKeys, b.GatewayKeys = "workers: 2", "workers: 2"
	right, left := s.causeway(s.GatewayB, b), s.causeway(s.GatewayA, a)
	s.up(right)
	s.up(left)
	if err := goesFirst(right.PID()); err != nil {
		t.Logf("a busy machine may need several rounds: %v", err)
	}
	source, sink := s.flow()
	s.eventually("messages of one SA opened by two workers", func() error {
		if err := s.backlog(left, right, source, sink); err != nil {
			t.Fatal(err)
		}
		if n := s.statusOf(right).Gateway.Sockets.LentMessages; n < backlogLent {
			return fmt.Errorf("%d were lent", n)
		}
		return nil
	})
	c, n := s.status(right, link.Name), s.statusOf(right).Gateway.Sockets
	t.Logf("of %d messages another worker opened %d", n.MessagesIn, n.LentMessages)
	if len(c.Children) != 1 || c.Children[0].PacketsIn < backlogDatagrams {
		t.Errorf("the Child SAs are %+v", c.Children)
	}
	s.noDrops(right)
}

// goesFirst gives the threads that a process has their processors before whatever
// else runs.
func goesFirst(pid int) error {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return err
		}
		if err := goFirst(tid); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("thread %d cannot go first: %w", tid, err)
		}
	}
	return nil
}

// flow is a UDP flow from client A to client B whose receiver has much room.
func (s *scene) flow() (source, sink *net.UDPConn) {
	s.t.Helper()
	there := world.ClientIn(world.SiteB.Networks[0])
	s.must(s.ClientB.Do(func() (err error) {
		sink, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(there, 0)))
		return err
	}))
	s.t.Cleanup(func() { sink.Close() })
	s.must(makeRoom(sink, 4*backlogDatagrams*backlogSize))
	s.must(s.ClientA.Do(func() (err error) {
		source, err = net.DialUDP("udp", nil, sink.LocalAddr().(*net.UDPAddr))
		return err
	}))
	s.t.Cleanup(func() { source.Close() })
	return source, sink
}

// makeRoom has a socket keep so many bytes until they are read, whatever the machine
// allows others.
func makeRoom(conn syscall.Conn, bytes int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var refused error
	err = raw.Control(func(fd uintptr) {
		refused = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes)
	})
	return errors.Join(err, refused)
}

// backlog has datagrams wait for a gateway that is stopped, and receives them in order
// once it goes on.
func (s *scene) backlog(from, to *gateway.Gateway, source, sink *net.UDPConn) error {
	s.t.Helper()
	s.must(unix.Kill(to.PID(), unix.SIGSTOP))
	err := s.fill(from, source)
	s.must(unix.Kill(to.PID(), unix.SIGCONT))
	if err != nil {
		return err
	}
	if err := sink.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	b := make([]byte, 2*backlogSize)
	for i := range uint32(backlogDatagrams) {
		if _, err := sink.Read(b); err != nil {
			return fmt.Errorf("after %d datagrams: %w", i, err)
		}
		if got := binary.BigEndian.Uint32(b); got != i {
			return fmt.Errorf("datagram %d came instead of %d", got, i)
		}
	}
	return nil
}

// fill sends datagrams, no faster than the gateway seals them.
func (s *scene) fill(g *gateway.Gateway, source *net.UDPConn) error {
	const step = 200
	sealed := func() uint64 { return s.status(g, link.Name).Children[0].PacketsOut }
	b, before := make([]byte, backlogSize), sealed()
	for i := range uint32(backlogDatagrams) {
		binary.BigEndian.PutUint32(b, i)
		// Of two sizes by turns: the same would be merged to trains, and few.
		if _, err := source.Write(b[:backlogSize-i%2*backlogSize/2]); err != nil {
			return err
		}
		if (i+1)%step == 0 {
			s.eventually("the gateway to seal what was sent", func() error {
				if n := sealed() - before; n < uint64(i+1) {
					return fmt.Errorf("%d of %d", n, i+1)
				}
				return nil
			})
		}
	}
	return nil
}
