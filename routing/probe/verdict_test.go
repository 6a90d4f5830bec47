package probe

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netns"
	"pgregory.net/rapid"
)

var settings = Settings{Interval: 200 * time.Millisecond, Lost: 3, Recovered: 5}

// fakeLine answers while up.
type fakeLine struct {
	up      atomic.Bool
	failure atomic.Pointer[error]
	answers chan uint16
	closed  bool
}

func (l *fakeLine) Send(sequence uint16) error {
	if why := l.failure.Load(); why != nil {
		return *why
	}
	if l.up.Load() {
		l.answers <- sequence
	}
	return nil
}
func (l *fakeLine) Answers() <-chan uint16 { return l.answers }
func (l *fakeLine) Close() error           { l.closed = true; return nil }

// TestFailover: down within a second of the third lost request, up again only
// after the line has shown itself for a while.
func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &fakeLine{answers: make(chan uint16, 8)}
		line.up.Store(true)
		hints := make(chan Hint, 1)
		var told []bool
		var when []time.Time
		ctx, cancel := context.WithCancel(context.Background())
		start := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			Run(ctx, line, settings, false, hints, func(up bool, _ error) { told, when = append(told, up), append(when, time.Now()) })
		}()
		time.Sleep(2 * time.Second)
		line.up.Store(false)
		silent := time.Now()
		time.Sleep(2 * time.Second)
		line.up.Store(true)
		back := time.Now()
		time.Sleep(2*time.Second + time.Millisecond)
		pulled := time.Now()
		line.up.Store(false)
		hints <- Cut
		synctest.Wait()
		if d := time.Since(pulled); len(when) != 4 || d != 0 {
			t.Errorf("a cut was noticed after %v", d)
		}
		cancel()
		<-done
		if !slices.Equal(told, []bool{true, false, true, false}) || !line.closed {
			t.Fatalf("verdicts %v", told)
		}
		if d := when[0].Sub(start); d != 4*settings.Interval {
			t.Errorf("up after %v", d)
		}
		if d := when[1].Sub(silent); d > 3*settings.Interval+settings.Interval {
			t.Errorf("down %v after the cut", d)
		}
		if d := when[2].Sub(back); d < 4*settings.Interval || d > 6*settings.Interval {
			t.Errorf("up %v after the repair", d)
		}
	})
}

func TestErrorsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &fakeLine{answers: make(chan uint16, 8)}
		fail := func(text string) {
			why := errors.New(text)
			line.failure.Store(&why)
		}
		fail("no such interface")
		hints := make(chan Hint, 1)
		var why []string
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			Run(ctx, line, settings, false, hints, func(up bool, err error) { why = append(why, err.Error()) })
		}()
		time.Sleep(2 * time.Second)
		fail("no route")
		time.Sleep(2 * time.Second)
		cancel()
		<-done
		if !slices.Equal(why, []string{"no such interface", "no route"}) {
			t.Error(why)
		}
	})
}

// TestBusy: while packets pass, a line that falls silent is down within 95 ms;
// one whose answers come late, or whose prober was not woken, stays up.
func TestBusy(t *testing.T) {
	const interval, busy = 200 * time.Millisecond, 10 * time.Millisecond
	start := time.Unix(0, 0)
	for _, c := range []struct {
		name   string
		trip   time.Duration // of an answer, before the line falls silent after a second
		grown  time.Duration // of an answer from then on; 0: none comes
		asleep time.Duration // at that moment
		busy   bool
		down   time.Duration // after that moment; 0: stays up
	}{
		{"silent", 2 * time.Millisecond, 0, 0, true, 95 * time.Millisecond},
		{"silent and far", 80 * time.Millisecond, 0, 0, true, 155 * time.Millisecond},
		{"silent, no traffic", 2 * time.Millisecond, 0, 0, false, 800 * time.Millisecond},
		{"slower", 2 * time.Millisecond, 55 * time.Millisecond, 0, true, 0},
		{"much slower", 100 * time.Millisecond, 145 * time.Millisecond, 0, true, 0},
		{"asleep", 2 * time.Millisecond, 2 * time.Millisecond, 500 * time.Millisecond, true, 0},
	} {
		v := NewVerdict(Settings{Interval: interval, Busy: busy, Lost: 3, Recovered: 1}, true)
		type answer struct {
			sequence uint16
			at       time.Time
		}
		var answers []answer
		cut, down := start.Add(time.Second), time.Duration(0)
		for now := start; now.Before(start.Add(4 * time.Second)); now = now.Add(time.Millisecond) {
			if now.Equal(start.Add(500 * time.Millisecond)) {
				v.SetBusy(c.busy, now)
			}
			if now.Equal(cut) {
				now = now.Add(c.asleep)
			} else {
				// Who slept is woken by the timer first.
				for len(answers) > 0 && !now.Before(answers[0].at) {
					v.Answer(answers[0].sequence, now)
					answers = answers[1:]
				}
			}
			if !now.Before(v.Deadline()) {
				if n, send := v.Tick(now); send && (now.Before(cut) || c.grown > 0) {
					trip := c.trip
					if !now.Before(cut) {
						trip = c.grown
					}
					answers = append(answers, answer{n, now.Add(trip)})
				}
			}
			if !v.Up() {
				down = now.Sub(cut)
				break
			}
		}
		if down > c.down || (down == 0) != (c.down == 0) {
			t.Errorf("%s: down after %v, want %v at most", c.name, down, c.down)
		}
	}
}

// TestVerdict: whatever is answered, twice, late or out of nowhere, the verdict
// follows from runs of answers and losses alone, and memory is bounded.
func TestVerdict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Settings{
			Interval: time.Duration(rapid.IntRange(1, 50).Draw(t, "interval")) * time.Millisecond,
			Timeout:  time.Duration(rapid.IntRange(0, 500).Draw(t, "timeout")) * time.Millisecond,
			Lost:     rapid.IntRange(1, 4).Draw(t, "lost"), Recovered: rapid.IntRange(1, 4).Draw(t, "recovered"),
		}
		v := NewVerdict(s, false)
		now := time.Unix(0, 0)
		sent := uint16(0)
		for range 300 {
			before, answered := v.Up(), v.answered
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "advance")) * time.Millisecond)
				if n, ok := v.Tick(now); ok {
					if n != sent {
						t.Fatalf("request %d after %d", n, sent)
					}
					sent++
				}
				if !before && v.Up() {
					t.Fatal("silence made the path up")
				}
			case 1:
				v.Answer(uint16(rapid.IntRange(0, int(sent)+3).Draw(t, "answer")), now)
				if before && !v.Up() {
					t.Fatal("an answer made the path down")
				}
				if !before && v.Up() && answered != s.Recovered-1 {
					t.Fatalf("up after %d answers", answered+1)
				}
			case 2:
				v.Failed(uint16(rapid.IntRange(0, int(sent)).Draw(t, "failed")))
			}
			if len(v.waiting) > mostOutstanding {
				t.Fatalf("%d requests are waited for", len(v.waiting))
			}
			if !v.Deadline().After(now) && v.Deadline() != v.due && len(v.waiting) > 0 && v.waiting[0].deadline.After(now) {
				t.Fatal("the deadline has passed and nothing is due")
			}
		}
	})
}

func TestEcho(t *testing.T) {
	for _, target := range []string{"10.2.0.1", "fd00::1"} {
		address := netip.MustParseAddr(target)
		e := NewEcho(address)
		reply := e.AppendRequest(nil, 7)
		reply[0] = echoReply4
		if address.Is6() {
			reply[0] = echoReply6
		}
		if n, ok := e.Answered(reply, address); !ok || n != 7 {
			t.Errorf("%s: %d, %v", target, n, ok)
		}
		if _, ok := e.Answered(reply, netip.MustParseAddr("10.2.0.2")); ok {
			t.Errorf("%s: somebody else answered", target)
		}
		if _, ok := NewEcho(address).Answered(reply, address); ok {
			t.Errorf("%s: the answer to another token", target)
		}
		if _, ok := e.Answered(e.AppendRequest(nil, 7), address); ok {
			t.Errorf("%s: a request is its own answer", target)
		}
		for n := range headerLen + tokenLen {
			if _, ok := e.Answered(reply[:n], address); ok {
				t.Errorf("%s: an answer of %d bytes", target, n)
			}
		}
	}
	if sum := checksum(NewEcho(netip.MustParseAddr("10.2.0.1")).AppendRequest(nil, 9)); sum != 0 {
		t.Errorf("checksum %#x", sum)
	}
}

// TestPackets has the packets read by gopacket, which checks the checksums.
func TestPackets(t *testing.T) {
	for _, c := range []struct {
		source, target string
		first          gopacket.LayerType
	}{{"169.254.21.2", "10.2.0.1", layers.LayerTypeIPv4}, {"fd00:255::1", "fd02::1", layers.LayerTypeIPv6}} {
		packet := NewEcho(netip.MustParseAddr(c.target)).AppendPacket([]byte{1, 2, 3}, netip.MustParseAddr(c.source), 7)[3:]
		read := gopacket.NewPacket(packet, c.first, gopacket.Default)
		if read.ErrorLayer() != nil {
			t.Fatal(read.ErrorLayer().Error())
		}
		network := read.NetworkLayer().NetworkFlow()
		if network.Src().String() != c.source || network.Dst().String() != c.target {
			t.Errorf("%v", network)
		}
		if icmp, ok := read.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); ok {
			if err := icmp.SetNetworkLayerForChecksum(read.NetworkLayer()); err != nil {
				t.Fatal(err)
			}
		}
		if err, mismatches := read.VerifyChecksums(); err != nil || len(mismatches) != 0 {
			t.Errorf("%s: %v %v", c.target, err, mismatches)
		}
		icmp := packet[20:]
		if c.first == layers.LayerTypeIPv6 {
			icmp = packet[40:]
		}
		if n := int(icmp[6])<<8 | int(icmp[7]); n != 7 || len(icmp) != headerLen+tokenLen {
			t.Errorf("request %d of %d bytes", n, len(icmp))
		}
	}
}

func FuzzAnswered(f *testing.F) {
	e := NewEcho(netip.MustParseAddr("10.2.0.1"))
	f.Add(e.AppendRequest(nil, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, ok := e.Answered(b, e.target); ok && (len(b) < headerLen+tokenLen || n != uint16(b[6])<<8|uint16(b[7])) {
			t.Errorf("%d of % x", n, b)
		}
	})
}

// TestSocket asks the loopback interface of a namespace of its own.
func TestSocket(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread is of no more use
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	here := func(do func() error) error { return do() }
	for _, target := range []string{"127.0.0.1", "::1"} {
		line := NewSocket(netip.MustParseAddr(target), "lo", here)
		if err := line.Send(1); err == nil {
			t.Errorf("%s: sent through an interface that is down", target)
		}
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := line.Send(2); err != nil {
			t.Fatal(err)
		}
		select {
		case n := <-line.Answers():
			if n != 2 {
				t.Errorf("%s: answer to %d", target, n)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: no answer", target)
		}
		line.Close()
		if out, err := exec.Command("ip", "link", "set", "lo", "down").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := NewSocket(netip.MustParseAddr("10.0.0.1"), "none0", here).Send(1); err == nil {
		t.Error("an interface that is not there")
	}
}
