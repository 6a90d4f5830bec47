package ikev2_test

import (
	"encoding/binary"
	"fmt"
	"strings"
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

// Where there are as many Child SAs as there may be, each can be replaced all the same,
// and a peer that never deletes the old ones is refused in the end.
func TestManyChildrenAreReplaced(t *testing.T) {
	w := tunnel(t)
	var last uint32
	for i := range uint32(255) {
		last = 1000 + i
		forge(w, wire.ExchangeCreateChildSA, childOffer(last)...)
		w.DeliverAll()
	}
	if n := len(w.B.Inbound); n != 256 {
		t.Fatalf("b receives on %d SPIs", n)
	}
	replace := func(i uint32) string {
		next := 5000 + i
		rekey := &wire.Notify{Protocol: wire.ProtocolESP, SPI: binary.BigEndian.AppendUint32(nil, last), NotifyType: wire.NotifyRekeySA}
		said := forge(w, wire.ExchangeCreateChildSA, append([]wire.Payload{rekey}, childOffer(next)...)...)
		last = next
		w.Network = nil
		return said
	}
	for i := range uint32(200) {
		if said := replace(i); strings.HasPrefix(said, "N(") {
			t.Fatalf("the replacement of one of 256 is answered %s", said)
		}
	}
	for i := range uint32(200) {
		replace(200 + i)
	}
	if n := len(w.B.Inbound); n > 512 {
		t.Errorf("b receives on %d SPIs", n)
	}
}

// Where there are as many, a worker gets none of its own, and nothing waits for that: the
// hosts of transcripts look whether a deadline has passed.
func TestNoneForAWorkerOfTooMany(t *testing.T) {
	w := resources(t)
	for i := range uint32(300) {
		forge(w, wire.ExchangeCreateChildSA, childOffer(1000+i)...)
		w.DeliverAll()
	}
	before := len(w.B.Inbound)
	ev := needs(2)
	ev.Flow.Src, ev.Flow.Dst = ev.Flow.Dst, ev.Flow.Src
	w.B.Step(ev)
	w.DeliverAll()
	if len(w.B.Inbound) > before || len(w.Faults) > 0 {
		t.Errorf("b receives on %d SPIs, then on %d; %v", before, len(w.B.Inbound), w.Faults)
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

// Devices with identities of their own are a peer each: of many none is closed for
// another, and the IKE SA of each can be rekeyed.
func TestManyDevices(t *testing.T) {
	a, b := transcript.Pair()
	b.AnyRemoteIdentity, b.RemoteIdentity = true, auth.Identity{}
	w := transcript.New(a, b, nil)
	for i := range 40 {
		device := *a
		device.LocalIdentity = transcript.Identity(fmt.Sprintf("device%d.example", i))
		w.A.Settings = &device
		w.A.Crash()
		w.A.Reseed(uint64(i))
		w.A.Up()
		w.DeliverAll()
	}
	if n := len(w.B.Snapshot().IKE); n != 40 {
		t.Errorf("b has %d IKE SAs of 40 devices", n)
	}
	before := w.A.Snapshot().IKE[0].SPIi
	w.A.Step(sa.Rekey{IKE: true})
	w.DeliverAll()
	if now := w.A.Snapshot().IKE; len(now) != 1 || now[0].SPIi == before {
		t.Error("the IKE SA of a device among many cannot be rekeyed")
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

// Child SAs for single workers of one device are sent on when another device comes.
func TestDevicesHaveWorkersApart(t *testing.T) {
	a, b := transcript.Pair()
	a.Resources, b.Resources = sa.Resources{Workers: 2, Most: 4}, sa.Resources{Workers: 2, Most: 4}
	b.AnyRemoteIdentity, b.RemoteIdentity = true, auth.Identity{}
	w := transcript.New(a, b, nil)
	w.Stand()
	w.A.Step(needs(1))
	w.DeliverAll()
	w.A.Ping("net", 1)
	w.Advance(5*time.Second, true)
	if c := w.B.SendsBy("net", 1); c.Resource != 1 {
		t.Fatal("b does not send on the Child SA of worker 1")
	}
	other := *a
	other.LocalIdentity = transcript.Identity("other.example")
	w.A.Settings = &other
	w.A.Crash()
	w.A.Reseed(7)
	w.Stand()
	w.Advance(5*time.Second, true)
	if c := w.B.SendsBy("net", 1); c.Resource != 1 {
		t.Error("b sends on it no more, since another device came")
	}
}

// A peer that replaces a Child SA again and again has few of the old ones received on.
func TestReplacedChildrenAreFew(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	w.Stand()
	for range 1200 {
		w.A.Step(sa.Rekey{Children: true})
		w.DeliverAll()
	}
	for _, h := range []*transcript.Host{w.A, w.B} {
		if n := len(h.Inbound); n > 1030 {
			t.Errorf("%s receives on %d Child SAs", h.Name, n)
		}
	}
	w.Advance(10*time.Second, true)
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}
