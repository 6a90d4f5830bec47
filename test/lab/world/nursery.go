package world

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// birth asks for a start, and has the answer sent to err.
type birth struct {
	cmd *exec.Cmd
	err chan error
}

// nursery is the thread from which processes start that die with this program.
// The kernel kills such a child when the thread that made it ends (prctl(2),
// PR_SET_PDEATHSIG), and the runtime ends a thread with a goroutine that locked it:
// a child of any other thread could die of that.
var nursery = sync.OnceValue(func() chan<- birth {
	births := make(chan birth)
	go func() {
		runtime.LockOSThread() // for as long as this program runs
		for b := range births {
			b.err <- b.cmd.Start()
		}
	}()
	return births
})

// startToDieWithUs starts a command that the kernel kills when this program ends. It
// has its other attributes already.
func startToDieWithUs(cmd *exec.Cmd) error {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	b := birth{cmd, make(chan error, 1)}
	nursery() <- b
	return <-b.err
}
