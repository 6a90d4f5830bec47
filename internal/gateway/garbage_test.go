package gateway

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// The room for garbage is the same beside few and many connections, within the
// bounds at both ends.
func TestGarbagePercent(t *testing.T) {
	for _, test := range []struct {
		live    uint64
		percent int
	}{
		{0, 400}, {1 << 20, 400}, {8 << 20, 400}, {16 << 20, 200}, {32 << 20, 100}, {64 << 20, 50}, {128 << 20, 25}, {8 << 30, 25},
	} {
		if got := garbagePercent(test.live); got != test.percent {
			t.Errorf("%d MiB live: %d percent, not %d", test.live>>20, got, test.percent)
		}
	}
}

// A heap that has grown is collected by a smaller percentage from the next
// collection on.
func TestBoundGarbage(t *testing.T) {
	t.Setenv("GOGC", "")
	boundGarbage()
	held := make([][]byte, 100)
	for i := range held {
		held[i] = make([]byte, 1<<20)
	}
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	const wanted = 33 * 10 / 9                                         // garbagePercent of 100 MiB, to a tenth: for less it is not set anew
	for deadline := time.Now().Add(30 * time.Second); ; runtime.GC() { // the cleanup runs some time after its collection
		if metrics.Read(sample); sample[0].Value.Uint64() <= wanted {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("with 100 MiB alive the percentage is still %d", sample[0].Value.Uint64())
		}
	}
	runtime.KeepAlive(held)
}
