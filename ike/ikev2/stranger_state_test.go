package ikev2_test

import (
	"fmt"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/test/transcript"
)

// While the signature of a peer is being checked the connection is as it was, since
// the peer may be anybody: nobody is being connected, and Up would begin.
func TestPeerThatIsCheckedIsNobody(t *testing.T) {
	root := transcript.Trust(nil, transcript.Authorities().Root)
	for name, how := range map[string][]string{"a.example": nil, "stranger.example": {"other"}} {
		a, b := transcript.Pair()
		a.Credentials = transcript.Credentials(transcript.Authorities().Certificate("p256", name, how...), nil)
		b.Credentials = transcript.Credentials(transcript.Authorities().Certificate("p256", "b.example"), nil)
		a.Trust, b.Trust = root, root
		w := transcript.New(a, b, nil)
		checked := 0
		w.B.OnEvent = func(_ time.Time, _ bool, ev sa.Event) {
			if done, ok := ev.(sa.WorkDone); ok && fmt.Sprintf("%T", done.Result) == "ikev2.checked" {
				checked++
				if s := w.B.Snapshot(); s.State != sa.StateDown || len(s.IKE) != 0 || w.B.Machine.Busy() {
					t.Errorf("%s: b is %s, busy %v, with %d IKE SAs while it checks who came", name, s.State, w.B.Machine.Busy(), len(s.IKE))
				}
			}
		}
		w.A.Up()
		w.DeliverAll()
		if checked == 0 {
			t.Errorf("%s: nothing was checked", name)
		}
	}
}

// A connection that is taken down while its peer waits for our signature tells the peer,
// which would otherwise ask on until it gives up.
func TestDownWhileThePeerWaits(t *testing.T) {
	root := transcript.Trust(nil, transcript.Authorities().Root)
	a, b := transcript.Pair()
	a.Credentials = transcript.Credentials(transcript.Authorities().Certificate("p256", "a.example"), nil)
	b.Credentials = transcript.Credentials(transcript.Authorities().Certificate("p256", "b.example"), nil)
	a.Trust, b.Trust = root, root
	w := transcript.New(a, b, nil)
	var said []sa.Action
	w.B.OnEvent = func(now time.Time, acceptor bool, ev sa.Event) {
		if _, done := ev.(sa.WorkDone); done && !acceptor && said == nil {
			said = w.B.Machine.Step(nil, now, sa.Down{})
		}
	}
	w.A.Up()
	w.DeliverAll()
	for _, act := range said {
		if send, ok := act.(sa.Send); ok {
			w.A.Receive(sa.Datagram{Raw: send.Bytes, Local: send.Remote, Remote: send.Local})
		}
	}
	if f := w.A.Snapshot().LastFailure; f == nil || f.Reason != sa.ReasonPeerError || len(w.A.Snapshot().IKE) != 0 {
		t.Errorf("a knows of %v, and has %d IKE SAs", f, len(w.A.Snapshot().IKE))
	}
}

// What a connection asks of its peer may change while a server is asked about the one that
// came: it has proved what does not count any more, and tries again.
func TestWhatIsToBeProvedChangesMeanwhile(t *testing.T) {
	all := transcript.Authorities()
	a, b := transcript.Pair()
	a.Credentials = transcript.Credentials(all.Certificate("p256", "a.example"), nil)
	b.Credentials = transcript.Credentials(all.Certificate("p256", "b.example"), nil)
	a.Trust, b.Trust = transcript.Trust(nil, all.Root), transcript.Trust(nil, all.Root)
	for name, change := range map[string]func(*sa.Settings){
		"nothing":      func(c *sa.Settings) { c.Trust = transcript.Trust(nil, all.Root) },
		"an authority": func(c *sa.Settings) { c.Trust = transcript.Trust(nil, all.Other) },
		"an identity":  func(c *sa.Settings) { c.RemoteIdentity = transcript.Identity("c.example") },
		"a PPK":        func(c *sa.Settings) { c.PPK = &sa.PPK{ID: "quantum", Secret: c.PSK, Required: true} },
	} {
		w := transcript.New(a, b, nil)
		w.B.OnEvent = func(_ time.Time, _ bool, ev sa.Event) {
			if done, ok := ev.(sa.WorkDone); ok && fmt.Sprintf("%T", done.Result) == "ikev2.checked" {
				changed := *b
				change(&changed)
				w.B.Machine.Reconfigure(&changed)
			}
		}
		w.A.Up()
		w.DeliverAll()
		if got := up(w.A) && up(w.B); got != (name == "nothing") {
			t.Errorf("%s changed: a is up: %v, after %v", name, got, w.A.Snapshot().LastFailure)
		}
		if f := w.A.Snapshot().LastFailure; name != "nothing" && (f == nil || f.Remote != "TEMPORARY_FAILURE") {
			t.Errorf("%s changed: a hears %+v", name, f)
		}
	}
}
