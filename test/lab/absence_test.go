package lab

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// longAbsence is how long a processor must have been away to excuse that a queue
// overflowed meanwhile.
const longAbsence = 50 * time.Millisecond

// absence watches the processors: one that a hypervisor gives to another machine does
// nothing here, and no counter of this machine may tell. A thread of each, which goes
// before everything else there, sleeps again and again for a moment, and measures it.
type absence struct {
	stop   chan struct{}
	work   sync.WaitGroup
	mu     sync.Mutex
	most   time.Duration
	excuse error // it could not watch
}

// watchAbsence begins.
func watchAbsence() *absence {
	a := &absence{stop: make(chan struct{})}
	var ours unix.CPUSet
	a.excuse = unix.SchedGetaffinity(0, &ours)
	for n := range len(ours) * 64 {
		if ours.IsSet(n) {
			a.work.Go(func() { a.watch(n) })
		}
	}
	return a
}

func (a *absence) watch(processor int) {
	runtime.LockOSThread() // never unlocked: the thread ends with the watch
	var only unix.CPUSet
	only.Set(processor)
	err := unix.SchedSetaffinity(0, &only)
	if err == nil {
		err = goFirst(0)
	}
	if err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.excuse = err
		return
	}
	const moment = 5 * time.Millisecond
	for {
		select {
		case <-a.stop:
			return
		default:
		}
		began := time.Now()
		sleep := unix.NsecToTimespec(int64(moment))
		_ = unix.Nanosleep(&sleep, nil) // a signal ends it early
		late := time.Since(began) - moment
		a.mu.Lock()
		a.most = max(a.most, late)
		a.mu.Unlock()
	}
}

// end tells how long a processor was away at most.
func (a *absence) end(t *testing.T) time.Duration {
	t.Helper()
	close(a.stop)
	a.work.Wait()
	if a.excuse != nil {
		t.Logf("nobody watched the processors: %v", a.excuse)
	}
	return a.most
}

// goFirst has a thread go before all that is not as urgent; 0 is the caller's.
func goFirst(thread int) error {
	return unix.SchedSetAttr(thread, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}, 0)
}

// TestAbsence has the watch measure while others use all that the processors have.
func TestAbsence(t *testing.T) {
	require(t)
	a := watchAbsence()
	var busy sync.WaitGroup
	for range 2 * runtime.NumCPU() {
		busy.Go(func() {
			for began := time.Now(); time.Since(began) < time.Second; {
			}
		})
	}
	busy.Wait()
	if away := a.end(t); a.excuse == nil && away == 0 {
		t.Error("no sleep was a moment longer than asked for")
	} else {
		t.Logf("away for %v at most", away)
	}
}
