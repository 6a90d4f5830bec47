package ike

import (
	"testing"
	"time"

	"causeway/ike/sa"
)

// What a stranger tries is shown as the newest failure of a connection that is down,
// and makes no failed one of it; a failure of its own does.
func TestStrangersAreNoFailure(t *testing.T) {
	pair(t, StartOnDemand, StartOnDemand, func(t *testing.T, _ *network, a, _ *host) {
		o := a.engine.owner("to-right")
		o.inbox.post(func() {
			o.keep.wanted = true // and its next attempt is far away
			f := &sa.Failure{Reason: sa.ReasonAuthenticationFailed}
			o.observe(sa.Failed{Connection: "to-right", Failure: f, Stranger: true}, time.Now())
			o.publish()
			if s := o.statusNow(); s.State != StateDown || s.LastFailure != f {
				t.Errorf("a stranger makes it %s, with %v", s.State, s.LastFailure)
			}
			o.hearsay(sa.Failed{Connection: "to-right", Failure: f})
			if s := o.statusNow(); s.State != StateDown {
				t.Errorf("hearsay makes it %s", s.State)
			}
			o.observe(sa.Failed{Connection: "to-right", Failure: f}, time.Now())
			o.publish()
			if s := o.statusNow(); s.State != StateFailed {
				t.Errorf("a failure of its own leaves it %s", s.State)
			}
			o.keep.rest()
		})
		time.Sleep(time.Second)
	})
}
