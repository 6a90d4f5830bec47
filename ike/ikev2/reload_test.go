package ikev2_test

import (
	"slices"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/test/transcript"
)

// reload changes the settings of a host that runs.
func reload(h *transcript.Host, change func(s *sa.Settings)) {
	changed := *h.Settings
	changed.Children = slices.Clone(changed.Children)
	change(&changed)
	h.Settings = &changed
	h.Machine.Reconfigure(&changed)
	h.Step(sa.TimerDue{})
}

// moved is another network of the host.
func moved(s *sa.Settings) { s.Children[0].Local = transcript.Networks("10.5.0.0/16") }

// wide is a tunnel whose b takes whatever a asks for, with a key exchange for each
// Child SA.
func wide(t *testing.T) *transcript.World {
	a, b := transcript.Pair()
	a.ESPProposals = transcript.Proposals(transform.ESP, "aes256gcm16-x25519")
	b.ESPProposals = a.ESPProposals
	b.Children[0].Local, b.Children[0].Remote = transcript.Networks("0.0.0.0/0"), transcript.Networks("0.0.0.0/0")
	return transcript.New(a, b, func(line string) { t.Log(line) })
}

// A Child SA that was asked for before a reload, and made after it, is what the settings
// want, or it goes.
func TestReloadDuringAnExchange(t *testing.T) {
	for name, begin := range map[string]func(w *transcript.World){
		"IKE_AUTH": func(w *transcript.World) {
			w.A.Up()
			w.Deliver(0)
			w.Deliver(0)
		},
		"a replaces its Child SA": func(w *transcript.World) {
			w.Stand()
			w.A.Step(sa.Rekey{Children: true})
		},
		"b replaces its Child SA, and a makes its key share": func(w *transcript.World) {
			w.Stand()
			w.B.Step(sa.Rekey{Children: true})
			w.HoldWork = true
			w.Deliver(0)
		},
		"a makes a key share": func(w *transcript.World) {
			w.Stand()
			w.HoldWork = true
			w.A.Step(sa.Rekey{Children: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := wide(t)
			begin(w)
			reload(w.A, moved)
			w.HoldWork = false
			w.Work()
			w.Advance(2*time.Minute, true)
			if err := transcript.Agree(w); err != nil || len(w.Faults) > 0 {
				t.Fatal(err, w.Faults)
			}
			if c := w.A.Sends("net"); !c.LocalSelectors.Equal(w.A.Settings.Children[0].Local) {
				t.Errorf("a sends on a Child SA of %v", c.LocalSelectors)
			}
		})
	}
}

// So is one for a single worker, of which a reload takes away.
func TestFewerWorkersDuringAnExchange(t *testing.T) {
	w := resources(t)
	w.A.Step(needs(2))
	reload(w.A, func(s *sa.Settings) { s.Resources = sa.Resources{} })
	w.Advance(5*time.Minute, true)
	for _, c := range w.A.Snapshot().Children {
		if c.Child.Resource > 0 {
			t.Errorf("a has one for worker %d", c.Child.Resource)
		}
	}
	if err := w.Gap(); err != nil || len(w.Faults) > 0 {
		t.Error(err, w.Faults)
	}
}

// An answer is held against what was offered, whatever a reload made of the proposals
// meanwhile: it ends nothing.
func TestOtherProposalsDuringARekey(t *testing.T) {
	other := func(s *sa.Settings) {
		s.IKEProposals = transcript.Proposals(transform.IKE, "aes128gcm16-prfsha384-ecp384")
	}
	t.Run("of the IKE SA", func(t *testing.T) {
		w := tunnel(t)
		before := w.A.Snapshot().IKE[0].SPIi
		w.A.Step(sa.Rekey{IKE: true})
		w.Deliver(0)
		reload(w.A, other)
		w.Advance(10*time.Second, true)
		if err := transcript.Agree(w); err != nil || len(w.Faults) > 0 || w.Broken() {
			t.Fatal(err, w.Faults)
		}
		if w.A.Snapshot().IKE[0].SPIi == before {
			t.Error("it is the same IKE SA")
		}
	})
	t.Run("IKE_SA_INIT", func(t *testing.T) {
		a, b := transcript.Pair()
		w := transcript.New(a, b, func(line string) { t.Log(line) })
		w.A.Up()
		w.Deliver(0)
		reload(w.A, other)
		w.Advance(10*time.Second, true)
		if err := transcript.Agree(w); err != nil || len(w.Faults) > 0 {
			t.Error(err, w.Faults)
		}
	})
}

// An end that only answers since a reload begins no reauthentication.
func TestOnlyAnsweringReauthenticatesNobody(t *testing.T) {
	a, b := transcript.Pair()
	a.Reauthentication = time.Hour
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	reload(w.A, func(s *sa.Settings) { s.RespondOnly = true })
	before := len(w.A.Reports)
	w.Advance(65*time.Minute, true)
	for _, r := range w.A.Reports[before:] {
		if _, begins := r.(sa.Connecting); begins {
			t.Error("a begins an IKE SA")
		}
	}
}
