package ike

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
)

// devices has two devices with identities of their own, the first of which came up
// first, on one connection of a hub.
func devices(t *testing.T, run func(t *testing.T, n *network, hub, one, two *host)) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		hub, one, two := n.host(t, left), n.host(t, right), n.host(t, "192.0.2.3")
		defer hub.close()
		defer one.close()
		defer two.close()
		any := connection(t, "devices", "", "one key for all", StartOnDemand)
		any.Settings.AnyRemoteIdentity = true
		hub.set(any)
		for _, h := range []*host{one, two} {
			c := connection(t, "hub", left, "one key for all", StartAlways)
			id, err := auth.ParseIdentity(fmt.Sprintf("device%v.example", h.address.As4()[3]))
			if err != nil {
				t.Fatal(err)
			}
			c.Settings.LocalIdentity, h.shift = id, 1000
			h.set(c)
			time.Sleep(10 * time.Second)
			wantUp(t, h, "hub")
		}
		run(t, n, hub, one, two)
	})
}

// TestSeveralDevicesOnOneConnection: the INITIAL_CONTACT of one of two devices on a
// connection that takes any is not about the other (RFC 7296 §2.4).
func TestSeveralDevicesOnOneConnection(t *testing.T) {
	devices(t, func(t *testing.T, _ *network, _, one, two *host) {
		first, second := one.status("hub").IKE, two.status("hub").IKE
		time.Sleep(5 * time.Minute)
		for h, before := range map[*host][]sa.IKEInfo{one: first, two: second} {
			if now := h.status("hub"); now.State != StateUp || len(before) != 1 || len(now.IKE) != 1 || now.IKE[0].SPIi != before[0].SPIi {
				t.Errorf("%v: %s with %v, which was %v: the devices evict each other", h.address, now.State, now.IKE, before)
			}
		}
	})
}

// TestDeadDeviceIsNoticed: ESP of a device is a sign of life of that device alone (RFC
// 7296 §2.4), and the one that sends is not asked.
func TestDeadDeviceIsNoticed(t *testing.T) {
	for dead := range 2 {
		t.Run(fmt.Sprint(dead+1), func(t *testing.T) {
			devices(t, func(t *testing.T, n *network, hub, one, two *host) {
				hub.data.hear(one.address) // each has the answer that made its IKE SA
				hub.data.hear(two.address)
				time.Sleep(5 * time.Second)
				gone, lives := one, two
				if dead == 1 {
					gone, lives = two, one
				}
				var asked atomic.Int32
				n.setDrop(func(from, to netip.Addr) bool {
					if from == hub.address && to == lives.address {
						asked.Add(1)
					}
					return from == gone.address || to == gone.address || from == lives.address
				})
				for range 60 {
					hub.data.hear(lives.address)
					time.Sleep(time.Second)
				}
				left := hub.status("devices").IKE
				if len(left) != 1 || left[0].Remote.Addr() != lives.address {
					t.Errorf("a minute after %v died the hub has %v", gone.address, left)
				}
				if n := asked.Load(); n != 0 {
					t.Errorf("the device that sends ESP all the time was asked %d times", n)
				}
			})
		})
	}
}

// TestDevicesMoveAlone: a NAT gives one device another port; it is followed, and no
// other is sent elsewhere (RFC 7296 §2.23).
func TestDevicesMoveAlone(t *testing.T) {
	devices(t, func(t *testing.T, _ *network, hub, one, two *host) {
		for _, h := range []*host{one, two} {
			hub.data.mu.Lock()
			clear(hub.data.moved)
			hub.data.mu.Unlock()
			spi := hub.data.with(h.address)[0]
			elsewhere := netip.AddrPortFrom(h.address, 61000)
			hub.engine.EndpointSeen("devices", spi, netip.AddrPortFrom(hub.address, 4500), elsewhere)
			time.Sleep(time.Second)
			hub.data.mu.Lock()
			if moved := hub.data.moved; len(moved) != 1 || moved[spi] != elsewhere {
				t.Errorf("%v has another port, and the data path is told of %v, want %08x alone", h.address, moved, spi)
			}
			hub.data.mu.Unlock()
		}
	})
}

// TestUnknownSPIIsTheSenders: the device that sends on a Child SA which the hub has not
// is told that it is gone, and no other.
func TestUnknownSPIIsTheSenders(t *testing.T) {
	devices(t, func(t *testing.T, n *network, hub, one, two *host) {
		for _, h := range []*host{one, two} {
			told := map[netip.Addr]int{}
			var mu sync.Mutex
			n.setDrop(func(from, to netip.Addr) bool {
				mu.Lock()
				defer mu.Unlock()
				if from == hub.address {
					told[to]++
				}
				return false
			})
			hub.engine.UnknownSPI(0xdead0000, netip.AddrPortFrom(hub.address, 4500), netip.AddrPortFrom(h.address, 5500))
			time.Sleep(time.Second)
			n.setDrop(nil)
			mu.Lock()
			if len(told) != 1 || told[h.address] != 1 {
				t.Errorf("%v sends on an SPI that is not known, and told is %v", h.address, told)
			}
			mu.Unlock()
		}
	})
}

// TestStrangerFailsNoCommand: a peer that does not prove who it is may fail at any
// time; a command waits for what it asked for.
func TestStrangerFailsNoCommand(t *testing.T) {
	f := &sa.Failure{Reason: sa.ReasonAuthenticationFailed}
	w := &waiter{}
	if w.observe(sa.Failed{Failure: f, Stranger: true}); w.failed != nil {
		t.Errorf("a stranger's failure ends the command: %v", w.failed)
	}
	if w.observe(sa.Failed{Failure: f}); w.failed != f {
		t.Error("a failure of its own does not end the command")
	}
}
