package tunnel

import "time"

// Being woken costs as much as carrying a superpacket: the one that sends wakes a
// processor that sleeps, and the worker takes it from somebody and gives it back. Where
// much comes, a worker that has carried all of it therefore lets a moment pass before it
// looks again, as network cards moderate their interrupts, and finds several.

const (
	// moderation is that moment: far less than what a packet takes under such a load,
	// and what comes in it fits the queues many times.
	moderation = 200 * time.Microsecond
	// much is how many bytes a second, of both directions, one worker must have
	// carried lately: half a Gbit/s. Many who wait for each answer send many packets
	// but not so many bytes, and are not kept waiting.
	much = 64_000_000
)

// moderate notes how many bytes the worker carried in the time since it last did.
func (w *worker) moderate(elapsed time.Duration) {
	carried := 0
	if w.in != nil {
		carried, w.in.carried = w.in.carried, 0
	}
	if w.out != nil {
		carried, w.out.carried = carried+w.out.carried, 0
	}
	w.carriesMuch = float64(carried) >= much*elapsed.Seconds()
}

// doze lets a moment pass, and tells whether there is something to do after it.
func (w *worker) doze() bool {
	called := w.set.pause(w.moderation)
	w.wait(0)
	return called || w.anyHot()
}

// anyHot tells whether anything may have something.
func (w *worker) anyHot() bool {
	hot := w.tun.hot
	for i := range w.ports {
		hot = hot || w.ports[i].hot
	}
	return hot
}
