package gateway

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// Packets make no garbage, negotiations do. The heap may grow by as much in a
// gateway with one connection as in one with thousands: a percentage of what
// lives in it, as the runtime has it, would collect too often in the first and
// hold several times its memory in the second.
const garbageRoom = 32 << 20 // bytes

// garbagePercent is what GOGC has to be for garbageRoom beside so much live heap.
// A heap of gigabytes is not collected for each few percent that it grows.
func garbagePercent(live uint64) int {
	return int(min(max(100*garbageRoom/max(live, 1), 25), 400))
}

// boundGarbage keeps the garbage in bounds from now on. GOGC in the environment
// goes first.
func boundGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent(liveHeap()))
		bounding.Do(afterCollection)
	}
}

// bounding is once in a process: so is its heap.
var bounding sync.Once

// collected is what a collection finds that nobody holds. The pointer keeps it
// from sharing its block with something that somebody does.
type collected struct{ _ *byte }

// afterCollection adjusts the percentage after each collection to what it found
// alive. Nothing runs between them.
func afterCollection() {
	percent := garbagePercent(liveHeap())
	var next func(struct{})
	next = func(struct{}) {
		// Setting it stops everybody for a moment.
		if wanted := garbagePercent(liveHeap()); wanted < percent*9/10 || wanted > percent*10/9 {
			percent = wanted
			debug.SetGCPercent(percent)
		}
		runtime.AddCleanup(&collected{}, next, struct{}{})
	}
	runtime.AddCleanup(&collected{}, next, struct{}{})
}

// liveHeap is what the last collection found alive, in bytes.
func liveHeap() uint64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}
