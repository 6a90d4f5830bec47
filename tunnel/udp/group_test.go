package udp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// datagram is what arrives on the NAT port under a first word.
func datagram(first uint32, size int) []byte {
	return append(binary.BigEndian.AppendUint32(nil, first), slab(size)...)
}

// TestSteering: ESP comes to the worker whose SPI it has, everything else to the
// control socket, also where there is nothing to load.
func TestSteering(t *testing.T) {
	for _, addr := range []netip.Addr{v4, v6} {
		for _, workers := range []int{1, 2, 3, 256} {
			c := listen(t, Config{Addresses: []netip.Addr{addr}, Workers: workers})
			if !c.Features().Steering || c.Workers() != workers {
				t.Fatalf("%d workers: no steering: %+v", workers, c.Features())
			}
			_, nat := c.ports()
			self := netip.AddrPortFrom(addr, nat)
			s := c.NewSender(0)
			send := func(b []byte) {
				if err := s.Send([]Run{{Payload: b, Local: self, Remote: self}}); err != nil {
					t.Fatal(err)
				}
			}
			for _, spi := range []uint32{0x100, 0x0abcde01, 0x12345602, 0xfffffffe, 0xffffffff} {
				send(datagram(spi, 40))
				wantOne(t, natReceiver(t, c.WorkerReceivers(Home(spi, workers))), datagram(spi, 40))
			}
			for _, b := range [][]byte{datagram(0, 28), {0xff}, {0xff, 1, 2}} {
				send(b)
				wantOne(t, natReceiver(t, c.ControlReceivers()), b)
			}
		}
	}
}

func natReceiver(t *testing.T, list []*Receiver) *Receiver {
	t.Helper()
	for _, r := range list {
		if r.Encapsulated() {
			return r
		}
	}
	t.Fatal("no socket on the NAT port")
	return nil
}

func wantOne(t *testing.T, r *Receiver, want []byte) {
	t.Helper()
	if err := r.SetTimeout(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	got, _ := collect(t, r, 1)
	sameDatagrams(t, [][]byte{want}, got)
}

// TestSteeringOff leaves one socket, which is the first worker's.
func TestSteeringOff(t *testing.T) {
	c := listen(t, Config{Addresses: []netip.Addr{v4}, Workers: 4, NoSteering: true})
	if c.Features().Steering || c.Workers() != 1 || len(c.WorkerReceivers(0)) == 0 || len(c.WorkerReceivers(1)) != 0 {
		t.Errorf("%+v, %d workers", c.Features(), c.Workers())
	}
}

// TestGroupIsOurs: nobody joins the ports while they are in use, though the
// sockets of one gateway share theirs.
func TestGroupIsOurs(t *testing.T) {
	cfg := Config{Addresses: []netip.Addr{v4}, Workers: 2}
	c := listen(t, cfg)
	cfg.IKEPort, cfg.NATPort = c.ports()
	if again, err := Listen(cfg); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a second gateway on the same ports: %v", err)
		again.Close()
	}
	cfg.IKEPort += 2
	if again, err := Listen(cfg); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a second gateway on the NAT port: %v", err)
		again.Close()
	}
}

// TestSenderPrefersItsWorker: what a worker sends leaves by its own socket.
func TestSenderPrefersItsWorker(t *testing.T) {
	c := listen(t, Config{Addresses: []netip.Addr{v4}, Workers: 3})
	ike, nat := c.ports()
	self := netip.AddrPortFrom(v4, nat)
	for n := range 3 {
		if s := c.NewSender(n).socketFor(self, self); s == nil || s.worker != n {
			t.Errorf("worker %d sends by %+v", n, s)
		}
	}
	for _, port := range []uint16{ike, nat} {
		if s := c.sender.socketFor(netip.AddrPortFrom(v4, port), self); s == nil || s.worker != noWorker || s.local.Port() != port {
			t.Errorf("IKE from port %d leaves by %+v", port, s)
		}
	}
}

// TestEvenTrains: where the kernel damages trains of equal datagrams, they end
// with a keepalive, and others are left alone.
func TestEvenTrains(t *testing.T) {
	for version, want := range map[[3]int]bool{
		{6, 18, 44}: false, {7, 0, 0}: true, {7, 0, 9}: true, {7, 1, 4}: true, {7, 1, 5}: false, {7, 2, 0}: false, {8, 0, 0}: false,
	} {
		if evenTrains(version[0], version[1], version[2]) != want {
			t.Errorf("%v: want %v", version, want)
		}
	}
	c := listen(t, Config{Addresses: []netip.Addr{v4}})
	_, nat := c.ports()
	self := netip.AddrPortFrom(v4, nat)
	s := c.NewSender(0)
	s.out.capped = true
	for _, tt := range []struct{ bytes, size, trains int }{
		{44 * 1472, 1472, 1}, {10*1000 + 7, 1000, 0}, {1400, 1400, 0}, {64 * 100, 100, 1}, {126 * 100, 100, 2},
	} {
		run := Run{Payload: slab(tt.bytes), SegmentSize: tt.size, Local: self, Remote: self}
		if err := s.Send([]Run{run}); err != nil {
			t.Fatal(err)
		}
		want := split(run.Payload, tt.size)
		got, _ := collect(t, natReceiver(t, c.Receivers()), len(want)+tt.trains)
		data := slices.DeleteFunc(slices.Clone(got), func(b []byte) bool { return Classify(b) == KindKeepalive })
		if len(got)-len(data) != tt.trains {
			t.Errorf("%d of %d bytes: %d keepalives, want %d", tt.bytes, tt.size, len(got)-len(data), tt.trains)
		}
		sameDatagrams(t, want, data)
	}
}
