package ikev2_test

import (
	"net/netip"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/test/transcript"
)

// provenAnew tells whether the peer was authenticated anew since then.
func provenAnew(h *transcript.Host, since time.Time) bool {
	for _, r := range h.Reports {
		if e, ok := r.(sa.IKEEstablished); ok && e.Rekeys == 0 && e.IKE.EstablishedAt.After(since) {
			return true
		}
	}
	return false
}

// A reauthentication that is due while another address of the peer is tried in vain is
// not forgotten: the IKE SA does not end over it.
func TestReauthenticationDuringAMove(t *testing.T) {
	a, b := transcript.Pair()
	a.Reauthentication = time.Hour
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	w.Advance(53*time.Minute, true)
	since := w.Now
	for range 8 * 60 { // in which it is due
		w.A.Step(sa.MoveTo{Local: netip.AddrPortFrom(w.A.Addr, 500), Remote: netip.MustParseAddrPort("192.0.2.77:500")})
		w.Advance(time.Second, true)
	}
	w.Advance(4*time.Minute, true)
	if !provenAnew(w.A, since) {
		t.Error("the peer was not authenticated anew")
	}
	if w.Broken() || len(w.Faults) > 0 {
		t.Error("the tunnel broke", w.Faults)
	}
}

// One that the peer sends to a gateway which does not answer, or cannot be found, is
// tried again.
func TestReauthenticationIsSentElsewhere(t *testing.T) {
	for name, to := range map[string]string{"dead": "192.0.2.77", "unknown": "nowhere.example"} {
		t.Run(name, func(t *testing.T) {
			a, b := transcript.Pair()
			a.Reauthentication, a.FollowRedirects = time.Hour, true
			w := transcript.New(a, b, func(line string) { t.Log(line) })
			w.Stand()
			since := w.Now
			w.Advance(53*time.Minute, true)
			w.B.Settings.RedirectTo = to
			w.Advance(61*time.Minute-53*time.Minute, true)
			w.B.Settings.RedirectTo = ""
			w.Advance(4*time.Minute, true)
			if !provenAnew(w.A, since) {
				t.Error("the peer was not authenticated anew")
			}
			if w.Broken() || len(w.Faults) > 0 {
				t.Error("the tunnel broke", w.Faults)
			}
		})
	}
}
