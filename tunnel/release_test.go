package tunnel

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"causeway/esp/selector"
	"causeway/routing/meter"
)

// outerLen is that of ESP in UDP for an inner packet of the pair.
const outerLen = 20 + 8 + 16 + 2 + 16 // and at most 3 of padding

// limited gives one direction from a to b a bandwidth.
func (p *pair) limited(up bool, rate uint64) {
	if up {
		p.a.SetBandwidth(rate, 0)
	} else {
		p.b.SetBandwidth(0, rate)
	}
}

// later is the next packet that the gateway writes, however long it takes.
func (g *gateway) later(t testing.TB) []byte {
	t.Helper()
	select {
	case b := <-g.device.Written():
		return b
	case <-time.After(time.Minute):
		t.Fatal("no packet came")
		return nil
	}
}

// onBothDirections limits a's outbound, then b's inbound direction.
func onBothDirections(t *testing.T, f func(t *testing.T, p *pair, up bool)) {
	for _, up := range []bool{true, false} {
		t.Run(map[bool]string{true: "up", false: "down"}[up], func(t *testing.T) {
			inBubble(t, pairConfig{}, func(t *testing.T, p *pair) { f(t, p, up) })
		})
	}
}

func (p *pair) limiting(up bool) *gateway {
	if up {
		return p.a
	}
	return p.b
}

// TestBandwidth sends more than fits: everything arrives in order and takes the
// time that its outer length takes.
func TestBandwidth(t *testing.T) {
	onBothDirections(t, func(t *testing.T, p *pair, up bool) {
		p.limited(up, 1e6)
		const n, size = 12, 972
		var want [][]byte
		for i := range n {
			want = append(want, udpPacket(t, "10.1.0.1", "10.2.0.1", size, ipOptions{id: uint16(i)}))
		}
		start := time.Now()
		p.a.device.Inject(want...)
		for _, w := range want {
			wantPacket(t, p.b.later(t), w)
		}
		// Two full packets are what the line saves while it is idle.
		least := time.Duration((n-1)*(size+28+outerLen)-3000) * 8 * time.Microsecond
		if took := time.Since(start); took < least || took > least+30*time.Millisecond {
			t.Errorf("%d packets took %v, want %v", n, took, least)
		}
		got, _ := p.limiting(up).ConnectionCounters("peer")
		if limited := got.LimitedIn + got.LimitedOut; limited < least || limited > least+30*time.Millisecond {
			t.Errorf("at the ceiling for %v, want %v", limited, least)
		}
		// Nothing waits any more, and the next passes at once.
		time.Sleep(100 * time.Millisecond)
		start = time.Now()
		p.a.device.Inject(want[0])
		wantPacket(t, p.b.later(t), want[0])
		if took := time.Since(start); took > 0 {
			t.Errorf("a packet on an idle line took %v", took)
		}
	})
}

// TestCeiling limits one connection on a line without limit, and lifts that.
func TestCeiling(t *testing.T) {
	onBothDirections(t, func(t *testing.T, p *pair, up bool) {
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 1000, ipOptions{})
		packets := slices.Repeat([][]byte{b}, 10)
		send := func() time.Duration {
			start := time.Now()
			p.a.device.Inject(packets...)
			for range packets {
				p.b.later(t)
			}
			return time.Since(start)
		}
		p.limiting(up).AddConnection("peer", ConnectionConfig{Share: meter.Share{Ceiling: 1e6}})
		if took := send(); took < 50*time.Millisecond || took > 80*time.Millisecond {
			t.Errorf("at the ceiling it took %v", took)
		}
		p.limiting(up).AddConnection("peer", ConnectionConfig{})
		time.Sleep(time.Second)
		if took := send(); took > 0 {
			t.Errorf("without a ceiling it took %v", took)
		}
	})
}

// TestFlood sends far more than can wait: what does not arrive is counted, and
// urgent packets arrive at once.
func TestFlood(t *testing.T) {
	onBothDirections(t, func(t *testing.T, p *pair, up bool) {
		p.limited(up, 1e6)
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 1000, ipOptions{})
		const n = 200
		p.a.device.Inject(slices.Repeat([][]byte{b}, n)...)
		urgent := udpPacket(t, "10.1.0.1", "10.2.0.1", 60, ipOptions{tos: 46 << 2})
		p.a.device.Inject(urgent)
		start := time.Now()
		for got := []byte(nil); string(got) != string(urgent); {
			got = p.b.later(t)
		}
		if took := time.Since(start); took > 10*time.Millisecond {
			t.Errorf("an urgent packet took %v", took)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		limiting, _ := p.limiting(up).ConnectionCounters("peer")
		arrived, _ := p.b.ConnectionCounters("peer")
		if drops := limiting.Drops[DropMeter]; drops < n/2 || arrived.PacketsIn < 10 || drops+arrived.PacketsIn != n+1 {
			t.Errorf("%d arrived, %d dropped, of %d", arrived.PacketsIn, drops, n+1)
		}
	})
}

// TestMarks keeps a queue standing: packets that know ECN are marked.
func TestMarks(t *testing.T) {
	onBothDirections(t, func(t *testing.T, p *pair, up bool) {
		p.limited(up, 1e6)
		const each = 8 * time.Millisecond // a packet takes this and a little more
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 900, ipOptions{tos: ect0})
		p.a.device.Inject(slices.Repeat([][]byte{b}, 8)...)
		marks, n := 0, 0
		for range 60 {
			p.a.device.Inject(b)
			time.Sleep(each)
			synctest.Wait()
			for {
				select {
				case got := <-p.b.device.Written():
					n++
					if got[1]&ecnMask == ecnMarked {
						marks++
						if checksum(got[:20], 0) != 0 {
							t.Fatal("the checksum of a marked packet is wrong")
						}
					}
					continue
				default:
				}
				break
			}
		}
		if marks == 0 || marks > 10 || n < 55 {
			t.Errorf("of %d packets %d were marked", n, marks)
		}
	})
}

// TestWaitingLosesItsSA removes the Child SA while packets wait for their turn.
func TestWaitingLosesItsSA(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		spi, _ := p.child(t, selector.Any(), selector.Any(), nil)
		p.a.SetBandwidth(1e6, 0)
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 1000, ipOptions{})
		p.a.device.Inject(slices.Repeat([][]byte{b}, 10)...)
		for range 2 {
			p.b.later(t)
		}
		p.a.RemoveChild(spi)
		time.Sleep(time.Second)
		synctest.Wait()
		got, _ := p.a.ConnectionCounters("peer")
		if got.Drops[DropNoSA] == 0 || got.PacketsOut+got.Drops[DropNoSA] != 10 {
			t.Errorf("%d sent, %d dropped", got.PacketsOut, got.Drops[DropNoSA])
		}
	})
}
