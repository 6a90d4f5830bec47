package tunnel

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/tunnel/tun"
)

// event is a socket of which only the descriptor matters.
type event struct {
	Receiver
	fd int
}

func (e event) Descriptor() int { return e.fd }

// arrive makes it readable.
func (e event) arrive(t *testing.T) {
	t.Helper()
	if _, err := unix.Write(e.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
}

// newResting makes a worker of one socket, all of which was carried.
func newResting(t *testing.T) (*worker, event) {
	t.Helper()
	fd, err := newEvent()
	if err != nil {
		t.Fatal(err)
	}
	p := newPair(t, pairConfig{super: true})
	w, err := newWorker(p.a.Tunnel, nil, 0, []Receiver{event{fd: fd}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.set.close()
		unix.Close(fd)
	})
	w.ports[0].hot = false
	return w, event{fd: fd}
}

// TestQuietWorkerIsWoken: a worker that carries little rests no longer than until
// something comes.
func TestQuietWorkerIsWoken(t *testing.T) {
	w, socket := newResting(t)
	w.moderation = time.Hour
	socket.arrive(t)
	w.rest()
	if !w.ports[0].hot {
		t.Error("what arrived was not seen")
	}
}

// TestBusyWorkerIsModerated: a worker that carries much is not woken by one packet, and
// finds it after a moment.
func TestBusyWorkerIsModerated(t *testing.T) {
	w, socket := newResting(t)
	w.carriesMuch, w.moderation = true, 20*time.Millisecond
	socket.arrive(t)
	began := time.Now()
	w.rest()
	if rested := time.Since(began); rested < w.moderation {
		t.Errorf("it was woken after %v", rested)
	}
	if !w.ports[0].hot {
		t.Error("what arrived was not seen")
	}
	// With nothing there after the moment, it is woken as any other.
	var none [8]byte
	if _, err := unix.Read(socket.fd, none[:]); err != nil {
		t.Fatal(err)
	}
	w.ports[0].hot, w.moderation = false, 0
	rested := make(chan struct{})
	go func() {
		defer close(rested)
		w.rest()
	}()
	socket.arrive(t)
	within(t, rested, "a worker that found nothing after a moment is not woken")
}

// TestModeratedWorkerIsCalled: the moment ends when another worker wants a hand, and
// when the sockets are closed.
func TestModeratedWorkerIsCalled(t *testing.T) {
	w, _ := newResting(t)
	w.carriesMuch, w.moderation = true, time.Hour
	for _, end := range []func(){w.set.call, w.set.wake} {
		rested := make(chan struct{})
		go func() {
			defer close(rested)
			w.rest()
		}()
		end()
		within(t, rested, "neither does end the moment")
	}
}

// within waits for what must end soon.
func within(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal(what)
	}
}

// TestCarriesMuch: what counts is how many bytes came lately, in both directions, not
// how long the worker was busy with them.
func TestCarriesMuch(t *testing.T) {
	w, _ := newResting(t)
	w.out = newSourceless(w.t, 0)
	const span = 8 * time.Millisecond
	enough := int(much * span / time.Second)
	for _, s := range []struct {
		in, out int
		much    bool
	}{{enough, 0, true}, {enough / 2, enough / 2, true}, {0, enough, true}, {enough / 2, enough/2 - 1, false}, {0, 0, false}} {
		w.in.carried, w.out.carried = s.in, s.out
		w.moderate(span)
		if w.carriesMuch != s.much {
			t.Errorf("%d bytes in and %d out in %v: that is much: %v", s.in, s.out, span, w.carriesMuch)
		}
		if w.in.carried != 0 || w.out.carried != 0 {
			t.Error("bytes are counted twice")
		}
	}
}

// TestCarriedBytes: those of each packet of a train and of a superpacket count.
func TestCarriedBytes(t *testing.T) {
	s := newStage(t, nil)
	socket := newBacklog(t, s, 2, 100)
	want := len(socket.messages[0].Payload) + len(socket.messages[1].Payload)
	if n, err := s.in.takeShared(&shared{receiver: socket}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if s.in.carried != want {
		t.Errorf("two messages of together %d bytes count as %d", want, s.in.carried)
	}
	b := udpPacket(t, "10.1.0.1", "10.2.0.1", 300, ipOptions{})
	s.out.begin()
	s.out.take(append([]byte{}, b...), &tun.Offload{})
	s.out.take(b, &tun.Offload{Kind: tun.UDP, SegmentSize: 100, HeaderLen: 28, ChecksumStart: 20, ChecksumOffset: 6})
	if s.out.carried != 2*len(b) {
		t.Errorf("a packet and a superpacket of %d bytes each count as %d", len(b), s.out.carried)
	}
}
