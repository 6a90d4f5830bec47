package tunnel

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

// lookAround is how many rounds a busy worker goes before it looks whether
// something else has become ready, too.
const lookAround = 4

// yieldInterval is how often a busy worker gives way to the Go scheduler, of its
// own accord. A goroutine that did not for ten milliseconds is interrupted by a
// signal, and its waits in the kernel are taken for blocking ones: the scheduler's
// monitor looks every 20 us then, and costs a twentieth of the process.
const yieldInterval = 8 * time.Millisecond

// worker serves a TUN queue and the sockets that go with it, both directions on
// one thread: what one of them has to do is done at once, without another
// thread to be woken, and only when all are dry does it wait, for all together.
// It belongs to one goroutine.
type worker struct {
	t     *Tunnel
	out   *outboundWorker // nil: sockets only
	tun   input
	in    *inboundWorker
	ports []port
	set   *pollSet
	load  *load
	idle  time.Duration // since it last told

	carriesMuch bool          // lately
	moderation  time.Duration // how long a rest is at least, then

	resting   atomic.Bool // and to be called, if it is in hands
	pressed   bool        // it had no rest lately, and its processor for itself
	preempted int64       // how often it lost that
}

// input is what a worker knows of something that it reads.
type input struct {
	place int  // in the set
	hot   bool // had something when last asked
}

type port struct {
	input
	socket *shared
}

// newWorker makes the worker of what can be waited for together; nil if
// something cannot. out may be nil.
func newWorker(t *Tunnel, out *outboundWorker, queue int, receivers []Receiver) (*worker, error) {
	set, err := newPollSet()
	if err != nil {
		return nil, err
	}
	w := &worker{t: t, out: out, set: set, load: &load{}, moderation: moderation}
	together := out == nil || w.watch(&w.tun, out.source)
	for _, r := range receivers {
		p := port{socket: &shared{receiver: r, queue: queue}}
		together = together && w.watch(&p.input, r)
		w.ports = append(w.ports, p)
	}
	if !together {
		w.set.close()
		return nil, nil
	}
	if len(receivers) > 0 {
		w.in = newInboundWorker(t, queue)
	}
	if out != nil {
		t.spreader.watch(w.load)
	}
	if out != nil && w.in != nil {
		t.hands.join(w)
	}
	return w, nil
}

// watch adds what in stands for to what the worker waits for, if it can.
func (w *worker) watch(in *input, what any) bool {
	d, ok := descriptor(what)
	if ok {
		*in = input{place: w.set.add(d), hot: true}
	}
	return ok
}

func descriptor(of any) (int, bool) {
	p, ok := of.(pollable)
	if !ok {
		return -1, false
	}
	d := p.Descriptor()
	return d, d >= 0
}

// run carries packets until the device or the sockets are closed.
func (w *worker) run() error {
	var yielded time.Duration
	for round := 1; ; round++ {
		busy, err := w.round()
		if err == nil && !busy {
			busy, err = w.lend()
		}
		if err != nil {
			return err
		}
		if now := w.now(); now-yielded > yieldInterval {
			runtime.Gosched()
			w.tell(now - yielded)
			yielded = now
		}
		switch {
		case !busy:
			w.rest()
		case round%lookAround == 0:
			w.wait(0)
		}
	}
}

// rest waits until something has something.
func (w *worker) rest() {
	began := w.t.now()
	w.load.rests(began)
	w.resting.Store(true)
	if !w.carriesMuch || !w.doze() {
		w.wait(-1)
	}
	w.resting.Store(false)
	w.idle += w.load.wakes(began, w.t.now())
}

// tell has the spreader look if the worker had much to do for so long, and
// moderates how often the worker is woken.
func (w *worker) tell(elapsed time.Duration) {
	w.moderate(elapsed)
	if w.out != nil {
		w.press(w.idle)
		w.load.switches.Add(w.out.switches)
		w.out.switches = 0
		if w.idle < elapsed/2 {
			w.t.spreader.nudge()
		}
	}
	w.idle = 0
}

// now is when the last packets were carried.
func (w *worker) now() (t time.Duration) {
	if w.in != nil {
		t = w.in.now
	}
	if w.out != nil {
		t = max(t, w.out.now)
	}
	return t
}

// round asks everything that had something the last time, and tells whether
// anything still has.
func (w *worker) round() (busy bool, err error) {
	for i := range w.ports {
		p := &w.ports[i]
		if !p.hot {
			continue
		}
		n, err := w.in.takeShared(p.socket)
		if err != nil {
			return false, err
		}
		w.watchBacklog(p.socket, n)
		p.hot = n > 0
		busy = busy || p.hot
	}
	if w.tun.hot {
		if w.tun.hot, err = w.out.source.carry(w.out, false); err != nil {
			return false, err
		}
		busy = busy || w.tun.hot
	}
	return busy, nil
}

// wait finds out who has something, and waits for that as long as limit.
func (w *worker) wait(limit time.Duration) {
	w.set.wait(limit)
	w.tun.hot = w.out != nil && (w.tun.hot || w.set.ready(w.tun.place))
	for i := range w.ports {
		p := &w.ports[i]
		p.hot = p.hot || w.set.ready(p.place)
	}
}

// crew is the workers of a running Tunnel.
type crew struct {
	runs []func() error
	sets []*pollSet
}

// newCrew makes the workers: one for each queue or socket that there is, and one
// for the sockets that are no worker's. Where the device or the sockets cannot be
// waited for together, each has a goroutine of its own.
func (t *Tunnel) newCrew() (*crew, error) {
	c := &crew{}
	queues := t.cfg.Device.Queues()
	if t.cfg.Workers > 0 {
		queues = min(queues, t.cfg.Workers)
	}
	var errs []error
	for n := range max(queues, t.cfg.Transport.Workers()) {
		var out *outboundWorker
		if n < queues {
			out = newOutboundWorker(t, n)
		}
		errs = append(errs, c.add(t, out, n, t.cfg.Transport.Receivers(n)))
	}
	errs = append(errs, c.add(t, nil, 0, t.cfg.Transport.Control()))
	if err := errors.Join(errs...); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *crew) add(t *Tunnel, out *outboundWorker, queue int, receivers []Receiver) error {
	if out == nil && len(receivers) == 0 {
		return nil
	}
	w, err := newWorker(t, out, queue, receivers)
	if err != nil {
		return err
	}
	if w != nil {
		c.runs, c.sets = append(c.runs, w.run), append(c.sets, w.set)
		return nil
	}
	if out != nil {
		c.runs = append(c.runs, out.run)
	}
	for _, r := range receivers {
		in := newInboundWorker(t, queue)
		c.runs = append(c.runs, func() error { return in.run(r) })
	}
	return nil
}

// wake lets everybody see that the device and the sockets were closed.
func (c *crew) wake() {
	for _, s := range c.sets {
		s.wake()
	}
}

func (c *crew) close() {
	for _, s := range c.sets {
		s.close()
	}
}
