package ike

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestPauseGrowsAndIsBounded(t *testing.T) {
	previous := time.Duration(0)
	for attempt := 1; attempt <= 100; attempt++ {
		longest, shortest := pause(attempt, 0), pause(attempt, 1)
		if longest < previous || longest > maxPause {
			t.Fatalf("attempt %d: pause %v after %v, at most %v is allowed", attempt, longest, previous, maxPause)
		}
		if shortest != longest*3/4 {
			t.Fatalf("attempt %d: full jitter gives %v, want three quarters of %v", attempt, shortest, longest)
		}
		previous = longest
	}
	if previous != maxPause {
		t.Errorf("the pause ends at %v, want %v", previous, maxPause)
	}
}

func TestKeepUpTriesEveryAddress(t *testing.T) {
	now := time.Unix(1000, 0)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	k := keepUp{addresses: []netip.Addr{a, b}}
	k.want(now, true)
	var tried []netip.Addr
	for range 4 {
		if k.due().IsZero() {
			t.Fatal("a wanted connection stopped trying")
		}
		address, _ := k.address()
		tried = append(tried, address)
		k.started()
		if !k.due().IsZero() {
			t.Fatal("an attempt is planned beside one that runs")
		}
		k.failed(now, 0)
	}
	for i, want := range []netip.Addr{a, b, a, b} {
		if tried[i] != want {
			t.Fatalf("tried %v, want the addresses in turn", tried)
		}
	}
	k.succeeded()
	if k.attempt != 0 || !k.due().IsZero() {
		t.Errorf("after success: %d failed attempts, next %v", k.attempt, k.due())
	}
}

func TestKeepUpRests(t *testing.T) {
	now := time.Unix(1000, 0)
	var k keepUp
	k.want(now, false)
	k.started()
	k.failed(now, 0)
	if !k.due().IsZero() {
		t.Error("an attempt asked for once was repeated")
	}
	k.want(now, true)
	k.rest()
	k.lost(now, 0.5, netip.Addr{}, false)
	if !k.due().IsZero() {
		t.Error("a connection that was taken down comes back")
	}
	k.want(now, true)
	k.succeeded()
	k.lost(now, 0.5, netip.Addr{}, false)
	if got := k.due(); !got.Equal(now.Add(minPause / 2)) {
		t.Errorf("a lost connection comes back at %v, want after half a second", got)
	}
}

// TestRotationTriesEachOnce: answers in another order each time lead to every address
// once in a round.
func TestRotationTriesEachOnce(t *testing.T) {
	var k keepUp
	answer := addrs("192.0.2.1", "192.0.2.2", "192.0.2.3")
	tried := map[netip.Addr]bool{}
	for range answer {
		k.learn(resolution{addresses: slices.Clone(answer)})
		a, _ := k.address()
		tried[a] = true
		k.failed(time.Unix(1000, 0), 0)
		answer = append(answer[2:], answer[:2]...)
	}
	if len(tried) != len(answer) {
		t.Errorf("three attempts tried %v, want each of three addresses once", tried)
	}
}
