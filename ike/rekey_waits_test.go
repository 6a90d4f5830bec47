package ike

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"causeway/ike/sa"
)

// A rekey that is asked for, and the peer takes the connection down: whoever waits hears
// of it at once.
func TestRekeyOfWhatThePeerTakesDown(t *testing.T) {
	pair(t, StartOnDemand, StartOnDemand, func(t *testing.T, n *network, a, b *host) {
		if err := a.engine.Up(t.Context(), "to-right"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(7 * time.Second) // until b asks, too
		n.setDrop(func(from, _ netip.Addr) bool { return from == a.address })
		go func() {
			time.Sleep(100 * time.Millisecond)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_ = b.engine.Down(ctx, "to-left")
		}()
		since := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		err := a.engine.Rekey(ctx, "to-right", false, true)
		var f *sa.Failure
		if !errors.As(err, &f) || f.Reason != sa.ReasonLocalRefused || time.Since(since) > 5*time.Second {
			t.Errorf("after %v the rekey says: %v", time.Since(since), err)
		}
	})
}
