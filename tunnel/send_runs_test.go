package tunnel

import (
	"slices"
	"testing"

	"causeway/tunnel/udp"
)

// TestSuperpacketsShareMessages: superpackets of one SA whose segments are of one
// size leave as one run, which the sockets cut into full messages; what is shorter
// ends it. All of it arrives in order.
func TestSuperpacketsShareMessages(t *testing.T) {
	s, _ := newSuperStage(t)
	s.sink.keep = true
	const size = 1300
	whole, ending := bulk(t, 20*size)["TCP4"], bulk(t, 3*size+7)["TCP4"]
	s.out.begin()
	for _, b := range [][]byte{whole, whole, ending, whole} {
		o, super := superOf(t, b, size)
		s.out.take(super, &o)
	}
	if err := s.out.end(); err != nil {
		t.Fatal(err)
	}
	if len(s.sink.runs) != 2 {
		t.Fatalf("%d runs", len(s.sink.runs))
	}
	for i, n := range []int{20 + 20 + 4, 20} {
		if got := s.sink.runs[i].Segments(); got != n {
			t.Errorf("run %d has %d segments, not %d", i, got, n)
		}
	}
	if got := s.TotalCounters(); got.PacketsOut != 64 || got.BytesOut != uint64(3*(20*size)+3*size+7+64*(len(whole)-20*size)) {
		t.Errorf("counted %+v", got)
	}
	if err := s.in.carry(s.sink.runs); err != nil {
		t.Fatal(err)
	}
	if got := s.TotalCounters(); got.PacketsIn != 64 || got.Drops != [len(got.Drops)]uint64{} {
		t.Errorf("opened %+v", got)
	}
}

// losing sends all but some datagrams of each run.
type losing struct {
	*sink
	result udp.Result
	lost   int
}

func (l losing) NewSender(int) Sender { return l }

func (l losing) Send(runs []udp.Run) error {
	for i := range runs {
		runs[i].Result, runs[i].Lost = l.result, l.lost
	}
	return nil
}

// TestPartOfARunIsLost: of a run that the sockets sent in part, as many packets
// count as sent as were, and the others for the reason.
func TestPartOfARunIsLost(t *testing.T) {
	for result, why := range map[udp.Result]Drop{udp.Dropped: DropSend, udp.TooBig: DropTooBig} {
		s := newStage(t, func(c *Config) { c.Transport = losing{newSink(), result, 3} })
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 1000, ipOptions{})
		if err := s.load(slices.Repeat([][]byte{b}, 10)...).carry(); err != nil {
			t.Fatal(err)
		}
		got := s.TotalCounters()
		if got.PacketsOut != 7 || got.BytesOut != uint64(7*len(b)) || got.Drops[why] != 3 || got.DropsOut != 3 {
			t.Errorf("%v: %+v", why, got)
		}
	}
}
