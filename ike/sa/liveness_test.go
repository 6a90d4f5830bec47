package sa

import (
	"testing"
	"time"
)

// What fits into the interval does, and the waits grow as the policy has it until they
// reach the longest.
func TestLiveness(t *testing.T) {
	const second, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		interval, asks, longest, lasts time.Duration
	}{
		{time.Hour, time.Hour - 22370*ms, 10498 * ms, 22370 * ms},
		{45 * second, 45*second - 22370*ms, 10498 * ms, 22370 * ms},
		{30 * second, 10 * second, 8128 * ms, 20 * second},
		{15 * second, 5 * second, 2400 * ms, 10 * second},
		{7500 * ms, 2500 * ms, second, 5 * second},
		{3 * second, second, second, 5 * second}, // nothing is cut below the first wait
	} {
		l := DefaultRetransmit.Liveness(c.interval, CheckSends)
		near := func(got, want time.Duration) bool { return (got - want).Abs() < 2*ms }
		if !near(l.Asks, c.asks) || !near(l.Longest, c.longest) || !near(l.Lasts, c.lasts) {
			t.Errorf("%v: %+v", c.interval, l)
		}
	}
	for interval := 7500 * ms; interval < 2*time.Minute; interval += 97 * ms {
		if l := DefaultRetransmit.Liveness(interval, CheckSends); l.Asks+l.Lasts > interval || l.Asks < interval/3 {
			t.Errorf("%v: %+v is too long, or begins too early", interval, l)
		}
	}
}
