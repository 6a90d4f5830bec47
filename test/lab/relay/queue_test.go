package relay

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQueueOrder(t *testing.T) {
	start := time.Unix(0, 0)
	var q queue
	for _, p := range []struct {
		after time.Duration
		text  string
	}{{3, "late"}, {1, "early"}, {2, "first of two"}, {2, "second of two"}, {9, "not due"}} {
		if !q.push(start.Add(p.after), []byte(p.text), netip.AddrPort{}) {
			t.Fatal("an empty queue is full")
		}
	}
	var got []string
	for {
		w, any := q.pop(start.Add(3))
		if !any {
			break
		}
		got = append(got, string(w.payload))
	}
	want := []string{"early", "first of two", "second of two", "late"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if due, any := q.next(); !any || !due.Equal(start.Add(9)) {
		t.Errorf("next is %s, %t", due, any)
	}
}

func TestQueueBound(t *testing.T) {
	var q queue
	for range maxQueued {
		if !q.push(time.Time{}, nil, netip.AddrPort{}) {
			t.Fatal("full too early")
		}
	}
	if q.push(time.Time{}, nil, netip.AddrPort{}) {
		t.Error("the queue grows without bound")
	}
}
