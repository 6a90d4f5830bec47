package tunnel

import "time"

// Being woken costs as much as carrying a superpacket: the one that sends wakes a
// processor that sleeps, and the worker takes it from somebody and gives it back. Where
// many packets come, a worker that has carried all of them therefore lets a moment pass
// before it looks again, as network cards moderate their interrupts, and finds several.

const (
	// moderation is that moment: less than what a packet waits for a processor
	// where two are busy, and what fits the queues many times.
	moderation = 200 * time.Microsecond
	// manyPackets is how many a second, of both directions, one worker must have
	// carried lately. A peer that waits for each answer sends far fewer, and is not
	// kept waiting.
	manyPackets = 50_000
)

// moderate notes how many packets the worker carried in the time since it last did.
func (w *worker) moderate(elapsed time.Duration) {
	carried := 0
	if w.in != nil {
		carried, w.in.carried = w.in.carried, 0
	}
	if w.out != nil {
		carried, w.out.carried = carried+w.out.carried, 0
	}
	w.many = float64(carried) >= manyPackets*elapsed.Seconds()
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
