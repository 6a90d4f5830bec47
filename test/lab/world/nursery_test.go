package world

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestProcessOutlivesThread has a goroutine start a program and end with its thread: the
// program ends by itself, not by a signal.
func TestProcessOutlivesThread(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	thread, started := 0, make(chan error)
	go onEndingThread(func(id int) {
		thread = id
		started <- startToDieWithUs(cmd)
	})
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	err = Eventually(t.Context(), "the end of the thread", func() error {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", thread))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("thread %d is there: %w", thread, err)
	})
	if err != nil {
		t.Fatal(err)
	}
	input.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// onEndingThread calls f with the ID of a thread that ends with the goroutine that calls
// this. The main thread does not; it waits.
func onEndingThread(f func(id int)) {
	runtime.LockOSThread() // never unlocked
	if id := unix.Gettid(); id != os.Getpid() {
		f(id)
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		onEndingThread(f)
	}()
	<-done
}
