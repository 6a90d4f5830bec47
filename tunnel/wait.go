package tunnel

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// pollable is a Reader or Receiver with a descriptor: a worker can wait for it
// together with others. Those without are waited for one by one.
type pollable interface{ Descriptor() int }

// pollSet waits for several descriptors at once. It belongs to one worker, but
// for wake, call and close.
//
// A descriptor may be closed meanwhile: whoever closes it calls wake after, and
// the worker meets the end when it next uses what it waited for.
type pollSet struct{ fds []unix.PollFd }

// The first two are event descriptors.
const (
	placeWake = iota
	placeCall
)

func newPollSet() (*pollSet, error) {
	s := &pollSet{}
	for range placeCall + 1 {
		fd, err := newEvent()
		if err != nil {
			s.close()
			return nil, err
		}
		s.add(fd)
	}
	return s, nil
}

// newEvent makes the descriptor that ends waits.
func newEvent() (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, fmt.Errorf("tunnel: cannot make an event descriptor: %w", err)
	}
	return fd, nil
}

// add appends a descriptor and returns its place.
func (s *pollSet) add(fd int) int {
	s.fds = append(s.fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	return len(s.fds) - 1
}

// wait returns when there is something to read, after wake, or when limit has
// passed; a negative limit never does. It enters the kernel in a way that lets
// the scheduler, and the collector, go on without this thread.
func (s *pollSet) wait(limit time.Duration) {
	var timeout *unix.Timespec
	if limit >= 0 {
		t := unix.NsecToTimespec(int64(limit))
		timeout = &t
	}
	for i := range s.fds {
		s.fds[i].Revents = 0
	}
	// An error is a signal, or memory that the kernel lacks for a moment: the
	// caller tries everything then, and comes back.
	if _, err := unix.Ppoll(s.fds, timeout, nil); err != nil {
		for i := range s.fds {
			s.fds[i].Revents = unix.POLLIN
		}
	}
	s.answer()
}

// pause waits for a wake or a call alone, as long as limit, and tells whether there
// was one. It is left to the next wait to take it as heard.
func (s *pollSet) pause(limit time.Duration) bool {
	t := unix.NsecToTimespec(int64(limit))
	n, err := unix.Ppoll(s.fds[:placeCall+1], &t, nil)
	return n > 0 || err != nil
}

// ready tells of one place what the last wait found.
func (s *pollSet) ready(place int) bool { return s.fds[place].Revents != 0 }

// wake ends this wait and every later one.
func (s *pollSet) wake() { s.notify(placeWake) }

// call ends one wait.
func (s *pollSet) call() { s.notify(placeCall) }

func (s *pollSet) notify(place int) {
	_, _ = unix.Write(int(s.fds[place].Fd), binary.NativeEndian.AppendUint64(nil, 1))
}

// answer takes a call as heard.
func (s *pollSet) answer() {
	if s.ready(placeCall) {
		var count [8]byte
		_, _ = unix.Read(int(s.fds[placeCall].Fd), count[:])
	}
}

// close is for when nobody waits, wakes or calls any more.
func (s *pollSet) close() {
	for i := range s.fds {
		if i <= placeCall {
			unix.Close(int(s.fds[i].Fd))
		}
	}
}
