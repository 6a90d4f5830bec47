package transcript

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"causeway/ike/sa"
	"causeway/ike/transform"
)

// TestRandomStart begins with both ends down: whatever happens to the
// datagrams, and whoever starts, they agree on one IKE SA and one Child SA pair
// in the end.
func TestRandomStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomWorld(t)
		defer explain(t, lines)
		misfortune(t, w, []string{"up a", "up b", "restart a", "restart b", "down a"}, false)
		converge(t, w)
	})
}

// TestRandomRekey begins with a tunnel that stands: rekeys of both ends at any
// moment, with datagrams lost, repeated and out of order. They agree in the end,
// and each end always sends what the other receives.
func TestRandomRekey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomWorld(t)
		defer explain(t, lines)
		hold := w.HoldWork
		w.HoldWork = false
		w.Stand()
		w.HoldWork = hold
		misfortune(t, w, []string{"rekey a", "rekey b", "rekey ike a", "rekey ike b", "rekey both a", "reauth a", "reauth b", "worker a", "worker b", "fewer a", "fewer b", "more", "work"}, true)
		converge(t, w)
	})
}

// TestRandomDecline is TestRandomRekey with data paths that do not accept some of the
// replacements.
func TestRandomDecline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomWorld(t)
		defer explain(t, lines)
		hold := w.HoldWork
		w.HoldWork = false
		w.Stand()
		w.HoldWork = hold
		misfortune(t, w, []string{"rekey a", "rekey b", "rekey ike a", "rekey ike b", "rekey both a", "reauth a", "reauth b", "decline a", "decline b", "work", "advance"}, true)
		converge(t, w)
	})
}

// TestRandomReauthentication is TestRandomRekey with an end that wants its peer
// authenticated anew by a time: whatever replaced the IKE SA meanwhile, it is.
func TestRandomReauthentication(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomWorld(t)
		defer explain(t, lines)
		h := rapid.SampledFrom([]*Host{w.A, w.B}).Draw(t, "who wants it")
		h.Settings.Reauthentication = 40 * time.Minute
		hold := w.HoldWork
		w.HoldWork = false
		w.Stand()
		w.HoldWork = hold
		misfortune(t, w, []string{"rekey ike a", "rekey ike b", "rekey ike a", "rekey ike b", "rekey a", "rekey b", "work"}, true)
		converge(t, w)
		since := w.Now
		w.Advance(h.Settings.Reauthentication, true)
		if !slices.ContainsFunc(h.Reports, func(r sa.Report) bool {
			e, ok := r.(sa.IKEEstablished)
			return ok && e.Rekeys == 0 && e.IKE.EstablishedAt.After(since)
		}) {
			t.Fatalf("the peer of %s was not authenticated anew", h.Name)
		}
	})
}

// TestRandomEverything does all of it, and lets the data path end Child SAs: the
// tunnel may be down for a while, and comes back by itself.
func TestRandomEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomWorld(t)
		defer explain(t, lines)
		misfortune(t, w, []string{
			"up a", "up b", "restart a", "down a", "rekey a", "rekey b", "rekey ike a", "rekey ike b", "reauth a", "reauth b",
			"soft a", "soft b", "hard a", "hard b", "worker a", "worker b", "fewer a", "fewer b", "more", "refuse a", "refuse b", "decline a", "decline b", "advance", "advance",
		}, false)
		converge(t, w)
	})
}

// TestRandomResumption loses the path again and again, and restarts the gateway,
// with tickets and without: the tunnel comes back. Some of many runs resume a session,
// or this would show nothing.
func TestRandomResumption(t *testing.T) {
	runs, resumed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomPair(t, 1)
		defer explain(t, lines)
		w.A.Settings.SessionResumption, w.B.Settings.SessionResumption = true, rapid.IntRange(0, 3).Draw(t, "b too") > 0
		hold := w.HoldWork
		w.HoldWork = false
		w.A.Up()
		w.DeliverAll()
		w.HoldWork = hold
		misfortune(t, w, []string{"up a", "up b", "outage", "short outage", "restart b", "restart a", "down a", "rekey ike a", "rekey ike b", "reauth a"}, false)
		converge(t, w)
		runs++
		if slices.ContainsFunc(w.A.Reports, func(r sa.Report) bool { e, ok := r.(sa.IKEEstablished); return ok && e.IKE.Resumed }) {
			resumed++
		}
	})
	if runs >= 50 && resumed == 0 {
		t.Errorf("none of %d runs resumed a session", runs)
	}
	t.Logf("%d of %d runs resumed a session", resumed, runs)
}

// TestRandomReload gives a other networks again and again, in the middle of whatever is
// under way, where b takes what a asks for: in the end the Child SA is for those that a
// has then.
func TestRandomReload(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomPair(t, 1)
		defer explain(t, lines)
		takesAny(w.B)
		misfortune(t, w, []string{"up a", "up b", "reload a", "reload a", "reload a", "rekey a", "rekey b", "rekey ike a", "rekey ike b", "reauth a", "advance"}, false)
		converge(t, w)
		wantCurrent(t, w.A)
	})
}

// takesAny has a host take whatever traffic the other asks for.
func takesAny(h *Host) {
	all := Networks("0.0.0.0/0")
	h.Settings.Children = []sa.ChildSettings{{Name: "net", Local: all, Remote: all}}
}

// wantCurrent checks that a host sends on what its settings ask for.
func wantCurrent(t *rapid.T, h *Host) {
	if c, w := h.Sends("net"), h.Settings.Children[0]; !c.LocalSelectors.Equal(w.Local) || !c.RemoteSelectors.Equal(w.Remote) {
		t.Fatalf("%s sends %v === %v, and wants %v === %v", h.Name, c.LocalSelectors, c.RemoteSelectors, w.Local, w.Remote)
	}
}

// randomWorld is two hosts that agree on one or two Child SAs.
func randomWorld(t *rapid.T) (*World, *[]string) {
	return randomPair(t, rapid.IntRange(1, 2).Draw(t, "children"))
}

// randomPair is two hosts that agree, with or without perfect forward secrecy,
// additional key exchanges and fragments.
func randomPair(t *rapid.T, children int) (*World, *[]string) {
	a, b := Pair()
	if rapid.Bool().Draw(t, "pfs") {
		a.ESPProposals = Proposals(transform.ESP, "aes256gcm16-x25519")
		b.ESPProposals = a.ESPProposals
	}
	if rapid.IntRange(0, 3).Draw(t, "additional key exchanges") == 0 {
		a.IKEProposals = Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ke1_mlkem768-ke2_x448")
		b.IKEProposals = a.IKEProposals
		a.ESPProposals = Proposals(transform.ESP, "aes256gcm16-x25519-ke1_mlkem512")
		b.ESPProposals = a.ESPProposals
		a.FragmentSize, b.FragmentSize = 576, 576
	}
	if rapid.Bool().Draw(t, "resources") {
		a.Resources, b.Resources = sa.Resources{Workers: 2, Most: 4}, sa.Resources{Workers: 2, Most: rapid.IntRange(0, 4).Draw(t, "b's most")}
	}
	if children == 2 {
		a.Children = append(a.Children, sa.ChildSettings{Name: "more", Local: Networks("10.3.0.0/16"), Remote: Networks("10.4.0.0/16")})
		b.Children = append(b.Children, sa.ChildSettings{Name: "more", Local: Networks("10.4.0.0/16"), Remote: Networks("10.3.0.0/16")})
	}
	lines := &[]string{}
	w := New(a, b, func(s string) { *lines = append(*lines, s) })
	seed := rapid.Uint64().Draw(t, "seed")
	w.A.Reseed(seed)
	w.B.Reseed(seed + 1)
	w.HoldWork = rapid.Bool().Draw(t, "hold work")
	return w, lines
}

// explain prints the conversation of a failed run.
func explain(t *rapid.T, lines *[]string) {
	if t.Failed() {
		for _, l := range *lines {
			t.Log(l)
		}
	}
}

// misfortune does random things to the world.
func misfortune(t *rapid.T, w *World, commands []string, steady bool) {
	broken := false
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		i := 0
		if n := len(w.Network); n > 0 {
			i = rapid.IntRange(0, n-1).Draw(t, "which")
		}
		what := rapid.SampledFrom(append([]string{"deliver", "deliver", "deliver", "deliver", "drop", "dup", "advance", "work"}, commands...)).Draw(t, "what")
		w.logf("--- %s %d", what, i)
		disturb(w, what, i)
		broken = broken || w.Broken()
		if steady && !broken {
			noGap(t, w)
		}
		if len(w.Faults) > 0 {
			t.Fatalf("broken invariants: %v", w.Faults)
		}
	}
}

func disturb(w *World, what string, i int) {
	some := len(w.Network) > 0
	switch {
	case what == "deliver" && some:
		w.Deliver(i)
	case what == "drop" && some:
		w.Drop(i)
	case what == "dup" && some:
		w.Duplicate(i)
	case what == "advance":
		w.Advance(1300*time.Millisecond, false)
	case what == "outage" || what == "short outage": // after which all is well, or not
		w.disrupted = true
		w.Advance(3*time.Minute, false)
		for len(w.Network) > 0 {
			w.Drop(0)
		}
		if w.A.Up(); what == "short outage" {
			w.DeliverAll()
		}
	case what == "work":
		w.Work()
	case what == "up a":
		w.A.Up()
	case what == "up b":
		w.B.Up()
	case what == "down a":
		w.disrupted = true
		w.A.Step(sa.Down{})
	case what == "restart a":
		w.A.Crash()
	case what == "restart b":
		w.B.Crash()
	case what == "rekey a":
		w.A.Step(sa.Rekey{Children: true})
	case what == "rekey b":
		w.B.Step(sa.Rekey{Children: true})
	case what == "rekey ike a":
		w.A.Step(sa.Rekey{IKE: true})
	case what == "rekey ike b":
		w.B.Step(sa.Rekey{IKE: true})
	case what == "reauth a":
		w.A.Step(sa.Rekey{Reauthenticate: true})
	case what == "reauth b":
		w.B.Step(sa.Rekey{Reauthenticate: true})
	case what == "worker a":
		w.A.wantsOwn(1+i%2, i%3 == 0)
	case what == "worker b":
		w.B.wantsOwn(1+i%2, i%3 == 0)
	case what == "rebind":
		w.NATShift += 1000
	case what == "fewer a": // Child SAs for single workers, after a reload
		w.A.allows(i % 2)
	case what == "fewer b":
		w.B.allows(i % 2)
	case what == "more":
		w.A.allows(4)
		w.B.allows(4)
	case what == "reload a":
		w.A.moves()
	case what == "refuse a":
		w.A.Refuses = 1 + i%2
	case what == "refuse b":
		w.B.Refuses = 1 + i%2
	case what == "decline a":
		w.A.Declines = 1 + i%2
	case what == "decline b":
		w.B.Declines = 1 + i%2
	case what == "soft a" || what == "hard a":
		w.A.limit(what == "hard a")
	case what == "soft b" || what == "hard b":
		w.B.limit(what == "hard b")
	case what == "rekey both a":
		w.A.Step(sa.Rekey{IKE: true, Children: true})
	}
}

// noGap checks that what either end sends is received by the other.
func noGap(t *rapid.T, w *World) {
	if err := w.Gap(); err != nil {
		t.Fatal(err)
	}
}

// settleTime is more than a replaced or deleted Child SA receives after its end.
const settleTime = 11 * time.Second

// converge lets the network be well and checks that both ends agree.
func converge(t *rapid.T, w *World) {
	w.HoldWork = false
	w.A.Refuses, w.B.Refuses, w.A.Declines, w.B.Declines = 0, 0, 0, 0
	w.Work()
	w.logf("--- all is well now")
	// Wanted connections are brought up again by their owner whenever down.
	for range 20 {
		for _, h := range []*Host{w.A, w.B} {
			h.Up()
			w.Advance(35*time.Second, true)
		}
	}
	if len(w.Faults) > 0 {
		t.Fatalf("broken invariants: %v", w.Faults)
	}
	// What ended a moment ago, such as an idle worker's Child SA, receives for a while.
	err := Agree(w)
	for range 2 {
		if err != nil {
			w.Advance(settleTime, true)
			err = Agree(w)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
