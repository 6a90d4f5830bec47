package probe

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// failing is a socket that has nothing but an error to tell.
type failing struct{ net.PacketConn }

func (failing) ReadFrom([]byte) (int, net.Addr, error) {
	return 0, nil, errors.New("no buffer space available")
}

// TestReceiverEndsWithItsSocket: a socket that fails is not asked for ever.
func TestReceiverEndsWithItsSocket(t *testing.T) {
	s := NewSocket(netip.MustParseAddr("127.0.0.1"), "lo", nil)
	done := make(chan struct{})
	go s.receive(failing{}, done)
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the receiver still asks")
	}
}

// TestSocketOpensAnew: the request behind a failure has a socket that hears,
// whoever sends it.
func TestSocketOpensAnew(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("ICMP sockets need root")
	}
	lo, here := netip.MustParseAddr("127.0.0.1"), func(f func() error) error { return f() }
	var other *Socket // whose requests the kernel answers
	for name, s := range map[string]*Socket{
		"a socket that sends": NewSocket(lo, "lo", here),
		"one that only hears": NewInjected(lo, lo, "lo", here, func(packet []byte) error {
			_, err := other.conn.WriteTo(packet[20:], other.target)
			return err
		}),
	} {
		t.Run(name, func(t *testing.T) {
			other = NewSocket(lo, "lo", here)
			if err := other.open(); err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			defer s.Close()
			for n := range uint16(2) {
				if err := s.Send(n); err != nil {
					t.Fatal(err)
				}
				select {
				case got := <-s.Answers():
					if got != n {
						t.Errorf("answer %d to request %d", got, n)
					}
				case <-time.After(20 * time.Second):
					t.Fatalf("no answer to request %d", n)
				}
				if err := s.conn.SetReadDeadline(time.Unix(1, 0)); err != nil { // fails as a broken socket does
					t.Fatal(err)
				}
				<-s.receiving
			}
		})
	}
}
