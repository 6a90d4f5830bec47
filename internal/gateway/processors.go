package gateway

import (
	"os"
	"runtime"
)

// processors is how many this process may use: what GOMAXPROCS was before
// spareProcessors.
var processors = runtime.GOMAXPROCS(0)

// spareProcessors prepares the scheduler for movers goroutines that spend their
// time in system calls. Coming back from one needs a free P; with no more of
// them than processors, packets wait for one: on 2 processors TCP through two
// gateways gains a fifth to a third from 12 instead of 2. GOMAXPROCS in the
// environment goes first.
func spareProcessors(movers int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(processors, 2*movers+2))
	}
}
