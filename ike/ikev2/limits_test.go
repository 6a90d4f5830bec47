package ikev2_test

import (
	"fmt"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// A peer that asks for one Child SA after another gets so many and no more.
func TestManyChildren(t *testing.T) {
	w := tunnel(t)
	refused := 0
	for i := range uint32(400) {
		if forge(w, wire.ExchangeCreateChildSA, childOffer(1000+i)...) == "N(NO_ADDITIONAL_SAS)" {
			refused++
		}
		w.DeliverAll()
	}
	if n := len(w.B.Inbound); n > 256 || refused != 400-255 {
		t.Errorf("b receives on %d SPIs and refused %d", n, refused)
	}
}

// A peer that crashes again and again, without INITIAL_CONTACT being of use
// because others are there, cannot fill the machine.
func TestManyStarts(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	for i := range 60 {
		w.A.Crash()
		w.A.Reseed(uint64(i))
		w.A.Up()
		w.DeliverAll()
		w.Advance(100*time.Millisecond, true)
	}
	if n := len(w.B.Machine.Snapshot().IKE); n > 16 {
		t.Errorf("b has %d IKE SAs", n)
	}
	if !up(w.A) || !up(w.B) {
		t.Error("the tunnel is down")
	}
}

// Someone without the key cannot fill the machine either.
func TestManyWrongKeys(t *testing.T) {
	a, b := transcript.Pair()
	right := a.PSK
	a.PSK = auth.NewSecret([]byte("a guess"))
	w := transcript.New(a, b, nil)
	for i := range 100 {
		w.A.Crash()
		w.A.Reseed(uint64(i))
		w.A.Up()
		w.Advance(5*time.Second, true)
	}
	registered := 0
	for _, act := range w.B.Actions {
		switch act.(type) {
		case sa.RegisterSPI:
			registered++ // by the acceptor, and again by the machine
		case sa.ReleaseSPI:
			registered -= 2
		}
	}
	if registered > 2*40 {
		t.Errorf("b holds %d IKE SAs that nobody authenticated", registered/2)
	}
	a.PSK = right
	w.Advance(time.Minute, true)
	w.A.Up()
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

// Results of work that nobody waits for are ignored.
func TestStaleWork(t *testing.T) {
	w := tunnel(t)
	for i := range sa.Ticket(20) {
		w.A.Step(sa.WorkDone{Ticket: i, Result: nil})
		w.A.Step(sa.WorkDone{Ticket: i, Result: fmt.Errorf("late")})
	}
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}
