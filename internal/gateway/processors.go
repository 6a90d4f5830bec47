package gateway

import (
	"os"
	"runtime"
	"runtime/debug"
)

// garbagePercent lets the heap grow to several times what lives in it: that is
// a few megabytes, and packets make no garbage, so collections are rare.
const garbagePercent = 400

// processors is how many this process may use: what GOMAXPROCS was before
// spareProcessors.
var processors = runtime.GOMAXPROCS(0)

// spareProcessors prepares the scheduler for movers goroutines that spend their
// time in system calls. Coming back from one needs a free P; with no more of
// them than processors, packets wait for one: on 2 processors TCP through two
// gateways gains a fifth to a third from 12 instead of 2. GOMAXPROCS and GOGC in
// the environment go first.
func spareProcessors(movers int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(processors, 2*movers+2))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}
