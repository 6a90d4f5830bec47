package ike

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"causeway/ike/sa"
)

// named runs body on a connection to the peer's names, with name servers that answer
// by answer, and gateways at the addresses.
func named(t *testing.T, remotes, gateways []string, answer func(name string) []netip.Addr, body func(t *testing.T, n *network, a *host)) {
	t.Helper()
	namedAs(t, func(c Connection) Connection { return c }, remotes, gateways, answer, body)
}

// namedAs is named with connections that are changed by as.
func namedAs(t *testing.T, as func(Connection) Connection, remotes, gateways []string, answer func(name string) []netip.Addr, body func(t *testing.T, n *network, a *host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.setNames(answer)
		a := n.host(t, left)
		c := connection(t, "peer", right, "a long shared key", StartAlways)
		c.Settings.AnyRemoteIdentity, c.Settings.RemoteAddresses, c.Remotes = true, nil, remotes
		for _, address := range gateways {
			h := n.host(t, address)
			defer h.close()
			h.set(as(connection(t, "to-left", left, "a long shared key", StartOnDemand)))
		}
		defer a.close()
		a.set(as(c))
		body(t, n, a)
	})
}

// upAt waits for the connection to be up at the address, and gives the time it took.
func upAt(t *testing.T, a *host, address string, limit time.Duration) time.Duration {
	t.Helper()
	began, want := time.Now(), netip.MustParseAddr(address)
	for time.Since(began) < limit {
		s := a.status("peer")
		if s.State == StateUp && len(s.IKE) == 1 && s.IKE[0].Remote.Addr() == want {
			return time.Since(began)
		}
		time.Sleep(100 * time.Millisecond)
	}
	s := a.status("peer")
	t.Fatalf("not up at %s after %v: %s, %d IKE SAs, last failure %v", address, limit, s.State, len(s.IKE), s.LastFailure)
	return 0
}

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

const (
	gone1, gone2, spareAt = "192.0.2.11", "192.0.2.12", "192.0.2.13"
)

// TestRotatingAnswers has a name whose two dead addresses come in another order each
// time: the address behind the name in the list gets its turn.
func TestRotatingAnswers(t *testing.T) {
	var asked atomic.Int32
	rotating := func(string) []netip.Addr {
		out := addrs(gone1, gone2)
		if asked.Add(1)%2 == 0 {
			slices.Reverse(out)
		}
		return out
	}
	named(t, []string{"gateway.example", spareAt}, []string{spareAt}, rotating, func(t *testing.T, _ *network, a *host) {
		upAt(t, a, spareAt, 10*time.Minute)
		if n := asked.Load(); n < 3 {
			t.Errorf("the name was looked up %d times for three attempts", n)
		}
	})
}

// TestAnswersOfAPool has a name that is answered with two of many dead addresses,
// other ones each time.
func TestAnswersOfAPool(t *testing.T) {
	var asked atomic.Int32
	pool := func(string) []netip.Addr {
		n := byte(asked.Add(1) * 2)
		return []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 100 + n}), netip.AddrFrom4([4]byte{192, 0, 2, 101 + n})}
	}
	named(t, []string{"gateway.example", spareAt}, []string{spareAt}, pool, func(t *testing.T, _ *network, a *host) {
		upAt(t, a, spareAt, 10*time.Minute)
	})
}

func TestAddressChangesBetweenAttempts(t *testing.T) {
	var moved atomic.Bool
	answer := func(string) []netip.Addr {
		if moved.Load() {
			return addrs(right)
		}
		return addrs(gone1)
	}
	named(t, []string{"gateway.example"}, []string{right}, answer, func(t *testing.T, n *network, a *host) {
		time.Sleep(5 * time.Minute)
		if s := a.status("peer"); s.State == StateUp {
			t.Fatal("it is up at an address where nobody is")
		}
		moved.Store(true)
		upAt(t, a, right, 4*time.Minute)
	})
}

// TestReloadDuringALookUp gives the connection another address while the name of the
// one before is looked up: what comes of that counts for nothing.
func TestReloadDuringALookUp(t *testing.T) {
	slow := func(string) []netip.Addr {
		time.Sleep(5 * time.Second)
		return addrs(right)
	}
	named(t, []string{"gateway.example"}, []string{right, spareAt}, slow, func(t *testing.T, _ *network, a *host) {
		time.Sleep(time.Second)
		c := *a.engine.owner("peer").conn()
		c.Remotes = []string{spareAt}
		a.set(c)
		upAt(t, a, spareAt, 10*time.Second)
	})
}

// TestNameFailsForAWhile has no answer from the name servers at first, an odd number
// of times: the first of two addresses is tried first all the same.
func TestNameFailsForAWhile(t *testing.T) {
	var asked atomic.Int32
	answer := func(string) []netip.Addr {
		if asked.Add(1) <= 11 {
			return nil
		}
		return addrs(right, gone1)
	}
	named(t, []string{"gateway.example"}, []string{right}, answer, func(t *testing.T, _ *network, a *host) {
		time.Sleep(4500 * time.Millisecond)
		s := a.status("peer")
		if s.State != StateFailed || s.LastFailure == nil || s.LastFailure.Reason != sa.ReasonAddressUnresolved {
			t.Fatalf("%s, %v; want failed with address_unresolved", s.State, s.LastFailure)
		}
		upAt(t, a, right, 10*time.Minute)
		if n := asked.Load(); n != 12 {
			t.Errorf("the name was looked up %d times: the first address was passed over", n)
		}
	})
}

// TestFailBackToANewAddress is up on the spare when the name's address changes, after
// the name servers were away for a while.
func TestFailBackToANewAddress(t *testing.T) {
	var now atomic.Pointer[[]netip.Addr]
	set := func(list ...string) { a := addrs(list...); now.Store(&a) }
	set(gone1)
	answer := func(string) []netip.Addr { return *now.Load() }
	named(t, []string{"gateway.example", spareAt}, []string{right, spareAt}, answer, func(t *testing.T, _ *network, a *host) {
		upAt(t, a, spareAt, 10*time.Minute)
		set()
		time.Sleep(20 * time.Minute)
		set(right)
		upAt(t, a, right, 2*failBackMax)
	})
}

// TestFailBackWhereTheNameWasMissing comes up on the spare because the name servers
// are away.
func TestFailBackWhereTheNameWasMissing(t *testing.T) {
	var answering atomic.Bool
	answer := func(string) []netip.Addr {
		if !answering.Load() {
			return nil
		}
		return addrs(right)
	}
	named(t, []string{"gateway.example", spareAt}, []string{right, spareAt}, answer, func(t *testing.T, _ *network, a *host) {
		upAt(t, a, spareAt, time.Minute)
		answering.Store(true)
		upAt(t, a, right, 5*time.Minute)
	})
}
