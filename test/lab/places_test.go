package lab

import (
	"runtime"
	"sync"
	"testing"
)

// places are how many tests run at once: two for each processor, since a test waits now
// and then. `go test -parallel` lets in more, who wait here, so that a test that
// waits for the emulated machine, or for a time of the product's, keeps nobody out.
var places = newCount(2 * runtime.NumCPU())

// count is how many places are free.
type count struct {
	mu    sync.Mutex
	freed *sync.Cond
	free  int
}

func newCount(free int) *count {
	c := &count{free: free}
	c.freed = sync.NewCond(&c.mu)
	return c
}

// enter takes a place once one is free.
func (c *count) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.free <= 0 {
		c.freed.Wait()
	}
	c.free--
}

// leave gives a place back.
func (c *count) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free++
	c.freed.Signal()
}

// back takes a place that was left for a while, whether one is free or not: who waits to
// enter waits longer.
func (c *count) back() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free--
}

// idly runs a part of a test that does little but wait for long.
func (s *scene) idly(wait func()) {
	places.leave()
	defer places.back()
	wait()
}

// TestPlaces: while one waits idly another has its place, and it comes back at once; who
// wants to enter waits for both.
func TestPlaces(t *testing.T) {
	c := newCount(1)
	c.enter()
	c.leave()
	c.enter() // another
	c.back()
	entered := make(chan struct{})
	go func() {
		c.enter()
		close(entered)
	}()
	c.leave()
	if c.free != 0 {
		t.Errorf("%d places are free while one is taken of one", c.free)
	}
	c.leave()
	<-entered
}
