package tunnel

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/tunnel/udp"
)

func TestSPIs(t *testing.T) {
	s, err := newSAD(rand.Reader, 1)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	allocate := func() uint32 {
		spi, err := s.allocate(0)
		if err != nil {
			t.Fatal(err)
		}
		if spi < 256 || seen[spi] {
			t.Fatalf("SPI %08x is reserved or was given out before", spi)
		}
		seen[spi] = true
		return spi
	}
	first := allocate()
	s.release(first)
	// Not soon again, though it is free: every other slot comes before.
	for range sadSize - 1 {
		if spi := allocate(); spi%sadSize == first%sadSize {
			t.Fatalf("the slot of %08x was used again at once", first)
		}
	}
	if again := allocate(); again%sadSize != first%sadSize {
		t.Fatalf("%08x is not in the last free slot", again)
	}
	if _, err := s.allocate(0); !errors.Is(err, errSADFull) {
		t.Fatalf("one more than there is: %v", err)
	}
}

func TestSPIOfZeroUpperHalfIsSkipped(t *testing.T) {
	noise := append(make([]byte, 4*sadSize), 0, 0, 0, 0, 0, 7)
	s, err := newSAD(bytes.NewReader(noise), 1)
	if err != nil {
		t.Fatal(err)
	}
	spi, err := s.allocate(0)
	if err != nil || spi>>16 != 7 {
		t.Errorf("SPI %08x, %v", spi, err)
	}
	if _, err := s.allocate(0); !errors.Is(err, io.EOF) {
		t.Errorf("no randomness, but %v", err)
	}
}

// sevens gives zeros to shuffle by, then 7 for each SPI, then 7 and 9 in turn.
type sevens struct{ given int }

func (s *sevens) Read(b []byte) (int, error) {
	clear(b)
	if len(b) == 2 {
		s.given++
		b[1] = 7
		if s.given > sadSize && s.given%2 == 0 {
			b[1] = 9
		}
	}
	return len(b), nil
}

func TestSlotNeverHasTheSameSPITwice(t *testing.T) {
	s, err := newSAD(&sevens{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	var first uint32
	for range sadSize {
		if first, err = s.allocate(0); err != nil || first>>16 != 7 {
			t.Fatalf("%08x, %v", first, err)
		}
	}
	s.release(first)
	again, err := s.allocate(0)
	if err != nil || again != first&0xffff|9<<16 {
		t.Errorf("%08x after %08x, %v", again, first, err)
	}
}

func TestLookupComparesTheWholeSPI(t *testing.T) {
	p := newPair(t, pairConfig{noChild: true})
	spi, _ := p.child(t, selector.Any(), selector.Any(), nil)
	if p.a.sad.lookup(spi) == nil || p.a.sad.lookup(spi^1<<31) != nil || p.a.sad.lookup(spi^1) != nil {
		t.Error("lookup does not tell SPIs apart")
	}
	p.a.RemoveChild(spi)
	p.a.RemoveChild(spi)
	if p.a.sad.lookup(spi) != nil || p.a.sad.isReserved(spi) {
		t.Error("a removed SA is still there")
	}
}

func TestControlRefuses(t *testing.T) {
	p := newPair(t, pairConfig{noChild: true})
	spiA, _ := p.child(t, selector.Any(), selector.Any(), nil)
	in, err := esp.NewInbound(parameters(spiA, nil))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := esp.NewInbound(parameters(0x01020304, nil))
	if err != nil {
		t.Fatal(err)
	}
	out, err := esp.NewOutbound(parameters(0x01020304, nil))
	if err != nil {
		t.Fatal(err)
	}
	policy := selector.Compile(selector.Any(), selector.Any())
	at, to := p.a.outer, p.b.outer
	for name, err := range map[string]error{
		"inbound twice":           p.a.InstallInbound("peer", in, policy, at, to),
		"SPI not allocated":       p.a.InstallInbound("peer", foreign, policy, at, to),
		"connection unknown":      p.a.InstallInbound("other", in, policy, at, to),
		"outbound without a pair": p.a.ActivateOutbound("peer", out, policy, 0x01020304, at, to),
		"outbound of another":     p.a.ActivateOutbound("other", out, policy, spiA, at, to),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	p.a.ReleaseSPI(spiA) // in use: stays
	if !p.a.sad.isReserved(spiA) || p.a.sad.lookup(spiA) == nil {
		t.Error("ReleaseSPI removed an SA")
	}
	spare, err := p.a.AllocateSPI("peer", 0)
	if err != nil {
		t.Fatal(err)
	}
	p.a.ReleaseSPI(spare)
	if p.a.sad.isReserved(spare) {
		t.Error("ReleaseSPI kept an unused SPI")
	}
	p.a.MoveChildren([]uint32{0x01020304}, at, to)
	p.a.RemoveConnection("other")
	p.a.SetKeepalive("other", IKESA{1, 2}, at, to)
	p.a.EndKeepalive(IKESA{1, 2})
	if _, ok := p.a.ChildCounters(0x01020304); ok {
		t.Error("counters of nothing")
	}
}

func TestNewRefuses(t *testing.T) {
	w, _ := newWires()
	for name, cfg := range map[string]Config{
		"nothing":       {},
		"no device":     {Transport: w},
		"tiny MTU":      {Transport: w, Device: newSink(), OuterMTU: 100},
		"no randomness": {Transport: w, Device: newSink(), Random: bytes.NewReader(nil)},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestHomes: connections are spread over the workers, the SPIs of one are with
// one, and where that has no more, with another.
func TestHomes(t *testing.T) {
	w, _ := newWires()
	g, err := New(Config{Device: newSink(), Transport: workers{w, 3}})
	if err != nil {
		t.Fatal(err)
	}
	allocate := func(connection string) int {
		t.Helper()
		spi, err := g.AllocateSPI(connection, 0)
		if err != nil {
			t.Fatal(err)
		}
		return udp.Home(spi, 3)
	}
	seen := map[int]bool{}
	for _, name := range []string{"a", "b", "c"} {
		g.AddConnection(name, ConnectionConfig{})
		home := allocate(name)
		if seen[home] {
			t.Errorf("%s shares worker %d while another has none", name, home)
		}
		seen[home] = true
		for range 50 {
			if again := allocate(name); again != home {
				t.Fatalf("%s is at home with workers %d and %d", name, home, again)
			}
		}
	}
	b := allocate("b")
	g.RemoveConnection("b")
	g.AddConnection("d", ConnectionConfig{})
	if home := allocate("d"); home != b {
		t.Errorf("worker %d has two connections, %d none", home, b)
	}
	for range sadSize - 3*51 - 2 {
		allocate("a")
	}
	if _, err := g.AllocateSPI("a", 0); !errors.Is(err, errSADFull) {
		t.Errorf("one more than there is: %v", err)
	}
}

// workers is a transport with so many workers.
type workers struct {
	Transport
	n int
}

func (w workers) Workers() int { return w.n }
