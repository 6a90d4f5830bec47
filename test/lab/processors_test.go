package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// userHz is the unit of CPU time in /proc (proc_stat(5)).
const userHz = 100

// kernelThreads is the process that started those of the kernel.
const kernelThreads = 2

// quietPart of one processor is what others may take, with the steal of a
// hypervisor, of a machine that counts as quiet.
const quietPart = 0.15

// processors is CPU time so far: of all, and of this program with what it started.
type processors struct {
	at       time.Time
	all, own float64 // seconds
}

// usedProcessors reads it. Interrupts are nobody's, and the kernel's threads are
// ours: here they carry packets.
func usedProcessors(t *testing.T) processors {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(first) // cpu user nice system idle iowait irq softirq steal
	p := processors{at: time.Now(), own: familyTime(os.Getpid()) + familyTime(kernelThreads)}
	for _, i := range []int{1, 2, 3, 8} {
		ticks, _ := strconv.ParseFloat(fields[i], 64) // the kernel writes numbers
		p.all += ticks / userHz
	}
	return p
}

// familyTime is the CPU time of a process and those that it started, in seconds.
func familyTime(pid int) (seconds float64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0 // it has ended; its parent has its time
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	for _, i := range []int{11, 12, 13, 14} { // utime stime cutime cstime
		ticks, _ := strconv.ParseFloat(fields[i], 64)
		seconds += ticks / userHz
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is right
	for _, list := range lists {
		text, _ := os.ReadFile(list) // the thread may have ended
		for child := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				seconds += familyTime(n)
			}
		}
	}
	return seconds
}

// others is the part of one processor that others took since before.
func (p processors) others(before processors) float64 {
	return ((p.all - before.all) - (p.own - before.own)) / p.at.Sub(before.at).Seconds()
}

// shortAbsence is how long a processor may have been away of a machine that counts as
// quiet.
const shortAbsence = 20 * time.Millisecond

// disturbance is what keeps the processors from a test: others, and a hypervisor that
// may not tell.
type disturbance struct {
	others float64 // part of one processor
	away   time.Duration
}

func (d disturbance) quiet() bool { return d.others < quietPart && d.away < shortAbsence }

func (d disturbance) String() string {
	return fmt.Sprintf("others used %.0f %% of a processor, and one was away for %v", 100*d.others, d.away.Round(time.Millisecond))
}

// watchDisturbance begins to watch until the function that it returns is called.
func watchDisturbance(t *testing.T) (end func() disturbance) {
	t.Helper()
	absence, before := watchAbsence(), usedProcessors(t)
	end = sync.OnceValue(func() disturbance {
		return disturbance{usedProcessors(t).others(before), absence.end(t)}
	})
	t.Cleanup(func() { end() })
	return end
}
