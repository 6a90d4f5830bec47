package ikev2_test

import (
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
		w.B.OnEvent = func(_ time.Time, acceptor bool, ev sa.Event) {
			if _, done := ev.(sa.WorkDone); done && !acceptor && checked == 0 {
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

// A connection that is taken down while the signature of its peer is being checked
// tells the peer, which would otherwise ask on until it gives up.
func TestDownWhileThePeerIsChecked(t *testing.T) {
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
