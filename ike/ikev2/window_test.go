package ikev2

import (
	"testing"
	"time"

	"causeway/ike/sa"
)

func TestRetransmission(t *testing.T) {
	start := time.Unix(0, 0)
	w := window{policy: sa.RetransmitPolicy{First: time.Second, Factor: 2, Max: 3 * time.Second, Jitter: 0.5, Tries: 4}}
	none := func() float64 { return 0 }
	w.open(start, [][]byte{[]byte("first piece"), []byte("second piece")}, 0)
	for _, c := range []struct {
		after     time.Duration
		again     bool
		exhausted bool
	}{
		{999 * time.Millisecond, false, false},
		{time.Second, true, false},
		{2999 * time.Millisecond, false, false},
		{3 * time.Second, true, false},
		{6 * time.Second, true, false}, // Max
		{8999 * time.Millisecond, false, false},
		{9 * time.Second, false, true},
	} {
		raw, exhausted := w.repeat(start.Add(c.after), 0, none)
		if (raw != nil) != c.again || exhausted != c.exhausted {
			t.Errorf("after %v: again %v, exhausted %v", c.after, raw != nil, exhausted)
		}
		if c.again && len(raw) != 2 {
			t.Errorf("after %v: %d pieces of 2", c.after, len(raw))
		}
	}
	if got := w.policy.Wait(0, 0.999); got < 500*time.Millisecond || got > 510*time.Millisecond {
		t.Errorf("jitter takes a second down to %v", got)
	}
}

func TestWindowOfRequests(t *testing.T) {
	var w window
	judge := func(id uint32, raw string, want arrival) [][]byte {
		t.Helper()
		got, answer := w.judge(id, []byte(raw))
		if got != want {
			t.Errorf("request %d %q is %d, want %d", id, raw, got, want)
		}
		return answer
	}
	judge(0, "a", arrivalNew)
	judge(1, "b", arrivalStray)
	w.accept([]byte("a"))
	judge(0, "a", arrivalBusy)
	w.answered([][]byte{[]byte("A")})
	if got := judge(0, "a", arrivalRepeat); string(got[0]) != "A" {
		t.Errorf("the repeated answer is %q", got)
	}
	judge(0, "x", arrivalStray) // only the very same request
	judge(1, "b", arrivalNew)
	w.accept([]byte("b"))
	judge(0, "a", arrivalStray)
	w.answered([][]byte{[]byte("B")})
	judge(0, "a", arrivalStray)
	judge(1, "b", arrivalRepeat)
}

func TestWindowOfAnswers(t *testing.T) {
	var w window
	if w.expects(0) {
		t.Error("an answer is expected and nothing was asked")
	}
	w.open(time.Unix(0, 0), [][]byte{[]byte("a")}, 0)
	if !w.expects(0) || w.expects(1) {
		t.Error("the answer to request 0 is expected")
	}
	w.close()
	if w.expects(0) || w.expects(1) {
		t.Error("the answer came")
	}
}

// Two denials of one send are one: a stranger's copies end nothing sooner.
func TestDenialsOfOneSend(t *testing.T) {
	start := time.Unix(0, 0)
	w := window{policy: sa.DefaultRetransmit}
	w.open(start, [][]byte{[]byte("request")}, 0)
	for range 10 {
		w.deny()
	}
	if w.lost() || w.denials != 1 {
		t.Errorf("ten denials of one send count as %d", w.denials)
	}
	for now := start; !w.lost(); {
		now = w.dueAt
		if again, _ := w.repeat(now, 0, func() float64 { return 0 }); again == nil {
			t.Fatal("the schedule is over")
		}
		w.deny()
	}
	if w.denials != deniedSends {
		t.Errorf("lost after %d denials", w.denials)
	}
}
