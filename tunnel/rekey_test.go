package tunnel

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"causeway/esp/selector"
)

// TestRekeyLosesNothing makes Child SAs before it breaks the old ones, in real
// time, all the while packets flow both ways: every one arrives, once and in
// order. Run it with -race.
func TestRekeyLosesNothing(t *testing.T) { onBoth(t, rekeyLosesNothing) }

func rekeyLosesNothing(t *testing.T, super bool) {
	p := newPair(t, pairConfig{noChild: true, super: super})
	oldA, oldB := p.child(t, selector.Any(), selector.Any(), nil)
	p.run(t)
	stop := make(chan struct{})
	arrived := make(chan bool, 2)
	flow(t, p.a, p.b, "10.1.0.1", "10.2.0.1", stop, arrived)
	flow(t, p.b, p.a, "10.2.0.1", "10.1.0.1", stop, arrived)
	for range 30 {
		newA, newB := p.child(t, selector.Any(), selector.Any(), nil)
		p.a.MoveChildren(p.a.all(), p.a.outer, p.b.outer)
		p.b.MoveChildren(p.b.all(), p.b.outer, p.a.outer)
		// What was sealed under the old SA arrives before it goes: on a real
		// network the round trip of the delete (RFC 7296 §1.4.1) sees to that.
		for !p.handedOver(oldA, oldB, newA, newB) {
			runtime.Gosched()
		}
		p.a.RemoveChild(oldA)
		p.b.RemoveChild(oldB)
		oldA, oldB = newA, newB
	}
	close(stop)
	for range 2 {
		if !<-arrived {
			t.Errorf("a %+v\nb %+v", p.a.TotalCounters(), p.b.TotalCounters())
		}
	}
}

// handedOver tells whether both ends send under the new SAs and everything
// sent under the old ones has arrived.
func (p *pair) handedOver(oldA, oldB, newA, newB uint32) bool {
	afterA, _ := p.a.ChildCounters(newA)
	afterB, _ := p.b.ChildCounters(newB)
	beforeA, _ := p.a.ChildCounters(oldA)
	beforeB, _ := p.b.ChildCounters(oldB)
	return afterA.PacketsIn > 0 && afterB.PacketsIn > 0 &&
		beforeA.PacketsOut == beforeB.PacketsIn && beforeB.PacketsOut == beforeA.PacketsIn
}

// flow sends numbered packets until stop, and says whether the other end got
// all of them in order.
func flow(t *testing.T, from, to *gateway, src, dst string, stop chan struct{}, arrived chan bool) {
	const each = 8
	template := udpPacket(t, src, dst, 20, ipOptions{})
	total := make(chan int, 1)
	go func() {
		for n := 0; ; n += each {
			select {
			case <-stop:
				total <- n
				return
			default:
			}
			var batch [each][]byte
			for i := range batch {
				batch[i] = append([]byte{}, template...)
				binary.BigEndian.PutUint32(batch[i][28:], uint32(n+i))
			}
			from.device.Inject(batch[:]...)
		}
	}()
	go func() {
		expected := -1
		for n := 0; n != expected; {
			select {
			case b := <-to.device.Written():
				if got := binary.BigEndian.Uint32(b[28:]); got != uint32(n) {
					t.Errorf("packet %d came as %d", n, got)
					arrived <- false
					return
				}
				n++
			case expected = <-total:
			case <-time.After(20 * time.Second):
				t.Errorf("%d of %d packets arrived", n, expected)
				arrived <- false
				return
			}
		}
		arrived <- true
	}()
}
