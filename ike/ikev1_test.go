package ike

import (
	"testing"
	"testing/synctest"
	"time"

	"causeway/ike/sa"
	"causeway/ike/transform"
)

// speakIKEv1 makes a connection one of IKEv1, with its default proposals.
func speakIKEv1(c Connection) Connection {
	s := *c.Settings
	s.Version = 1
	s.IKEProposals, s.ESPProposals = transform.DefaultIKEv1Proposals(), transform.DefaultIKEv1ESPProposals()
	var children []sa.ChildSettings
	for _, w := range s.Children { // one pair for each Child SA
		children = append(children, sa.ChildSettings{Name: w.Name, Local: w.Local[:1], Remote: w.Remote[:1]})
	}
	s.Children = children
	c.Settings = &s
	return c
}

// pairv1 runs body on two engines that speak IKEv1, in virtual time.
func pairv1(t *testing.T, leftStart, rightStart StartPolicy, body func(t *testing.T, n *network, a, b *host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a, b := n.host(t, left), n.host(t, right)
		defer b.close()
		defer a.close()
		b.set(speakIKEv1(connection(t, "to-left", left, "a long shared key", rightStart)))
		a.set(speakIKEv1(connection(t, "to-right", right, "a long shared key", leftStart)))
		body(t, n, a, b)
	})
}

func TestIKEv1ComesUpAndStays(t *testing.T) {
	pairv1(t, StartAlways, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
		time.Sleep(5 * time.Second)
		wantUp(t, a, "to-right")
		wantUp(t, b, "to-left")
		if v := a.status("to-right").IKE[0].Version; v != 1 {
			t.Errorf("IKE version %d", v)
		}
		time.Sleep(48 * time.Hour)
		for h, name := range map[*host]string{a: "to-right", b: "to-left"} {
			if s := h.status(name); s.State != StateUp || s.LastFailure != nil {
				t.Errorf("%s is %s after two days of rekeys, last failure %+v", name, s.State, s.LastFailure)
			}
		}
		x, y := a.status("to-right").IKE, b.status("to-left").IKE
		if x[len(x)-1].SPIi != y[len(y)-1].SPIi {
			t.Error("the two sides keep different ISAKMP SAs")
		}
	})
}

func TestIKEv1BothStart(t *testing.T) {
	pairv1(t, StartAlways, StartAlways, func(t *testing.T, _ *network, a, b *host) {
		time.Sleep(3 * time.Minute)
		wantUp(t, a, "to-right")
		wantUp(t, b, "to-left")
		x, y := a.status("to-right").IKE[0], b.status("to-left").IKE[0]
		if x.SPIi != y.SPIi || x.SPIr != y.SPIr {
			t.Errorf("the two sides keep different ISAKMP SAs: %016x_%016x and %016x_%016x", x.SPIi, x.SPIr, y.SPIi, y.SPIr)
		}
	})
}

func TestIKEv1UpRekeyDown(t *testing.T) {
	pairv1(t, StartOnDemand, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
		if err := a.engine.Up(t.Context(), "to-right"); err != nil {
			t.Fatal(err)
		}
		wantUp(t, a, "to-right")
		for h, name := range map[*host]string{a: "to-right", b: "to-left"} {
			if err := h.engine.Rekey(t.Context(), name, true, true); err != nil {
				t.Fatalf("rekey of %s: %v", name, err)
			}
			time.Sleep(2 * time.Minute)
			wantUp(t, a, "to-right")
			wantUp(t, b, "to-left")
		}
		if err := a.engine.Down(t.Context(), "to-right"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for h, name := range map[*host]string{a: "to-right", b: "to-left"} {
			if s := h.status(name); s.State != StateDown || len(s.Children) != 0 {
				t.Errorf("%s is %s after down", name, s.State)
			}
		}
	})
}

// A connection speaks its version only. A peer that starts with the other is
// told so (RFC 7296 §2.5, RFC 2408 §5.2), and both ends show the reason.
func TestVersionsDiffer(t *testing.T) {
	for _, first := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork()
			a, b := n.host(t, left), n.host(t, right)
			defer b.close()
			defer a.close()
			here, there := connection(t, "to-right", right, "a long shared key", StartAlways), connection(t, "to-left", left, "a long shared key", StartOnDemand)
			if first == 1 {
				here = speakIKEv1(here)
			} else {
				there = speakIKEv1(there)
			}
			b.set(there)
			a.set(here)
			time.Sleep(2 * time.Minute) // an error in the clear is believed when the true answer does not come
			for h, name := range map[*host]string{a: "to-right", b: "to-left"} {
				f := h.status(name).LastFailure
				if f == nil || f.Reason != sa.ReasonVersionMismatch && (h == b || f.Reason != sa.ReasonPeerError) {
					t.Errorf("IKEv%d first: %s shows %+v", first, name, f)
				}
			}
		})
	}
}
