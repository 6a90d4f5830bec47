package tunnel

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"causeway/tunnel/tun"
)

// spreadable is a device that notes what was asked of it.
type spreadable struct {
	tun.SuperDevice
	spread, asked atomic.Int32
}

func (d *spreadable) Offloads() tun.Offloads { return tun.Offloads{Steering: true} }

func (d *spreadable) Spread(on bool) error {
	d.asked.Add(1)
	if on {
		d.spread.Store(1)
	} else {
		d.spread.Store(0)
	}
	return nil
}

// TestSpreader has a queue overflow, with several flows and with one, and what
// follows from that end when one worker would do again.
func TestSpreader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := &spreadable{}
		var overruns atomic.Uint64
		started := time.Now()
		now := func() time.Duration { return time.Since(started) + 1 }
		s := newSpreader(&Tunnel{cfg: Config{Device: device, Overruns: overruns.Load}})
		loads := []*load{{}, {}}
		s.watch(loads[0])
		s.watch(loads[1])
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- s.run(ctx, now) }()
		rest := func(l *load, length time.Duration) {
			began := now()
			l.rests(began)
			time.Sleep(length)
			l.wakes(began, now())
		}
		state := func(what string, want int32) {
			t.Helper()
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if got := device.spread.Load(); got != want {
				t.Fatalf("%s: spread is %d, want %d", what, got, want)
			}
		}

		overruns.Add(100)
		time.Sleep(time.Minute)
		state("nobody was busy", 0)
		s.nudge()
		state("one flow", 0)
		loads[0].switches.Add(1000)
		time.Sleep(spreadLook)
		s.nudge()
		state("several flows, and nothing overflowed since", 0)
		overflow := func() {
			overruns.Add(1)
			loads[0].switches.Add(1000)
			time.Sleep(spreadLook)
			s.nudge()
		}
		overflow()
		state("several flows and an overflow, and all workers busy", 0)
		began := now()
		loads[1].rests(began)
		overflow()
		loads[1].wakes(began, now())
		state("one worker busy, several flows and an overflow", 1)
		for range 30 {
			loads[0].switches.Add(1000)
			rest(loads[1], time.Second)
		}
		state("one worker never rested", 1)
		loads[1].rests(now())
		for range 9 {
			rest(loads[0], 900*time.Millisecond)
			time.Sleep(100 * time.Millisecond)
		}
		state("it had little to do, not for long", 1)
		rest(loads[0], 2*time.Second)
		state("it had little to do for long", 0)
		if n := device.asked.Load(); n != 2 {
			t.Errorf("the device was asked %d times", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
