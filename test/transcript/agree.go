package transcript

import (
	"fmt"

	"causeway/ike/sa"
)

// Agree checks that both ends have the same one IKE SA and, for each child that is
// wanted, the same one Child SA pair, besides the same ones for single workers, and
// that each sends what the other receives.
func Agree(w *World) error {
	a, b := w.A.Snapshot(), w.B.Snapshot()
	if len(a.IKE) != 1 || len(b.IKE) != 1 {
		return fmt.Errorf("a has %d IKE SAs, b has %d", len(a.IKE), len(b.IKE))
	}
	if a.IKE[0].SPIi != b.IKE[0].SPIi || a.IKE[0].SPIr != b.IKE[0].SPIr {
		return fmt.Errorf("the ends have different IKE SAs")
	}
	all, ofA := sharedByAll(a.Children)
	_, ofB := sharedByAll(b.Children)
	wanted := len(w.A.Settings.Children)
	if ofA != wanted || ofB != wanted {
		return fmt.Errorf("a has %d Child SAs, b has %d", ofA, ofB)
	}
	for _, c := range b.Children {
		if all[c.Child.SPIOut] != c.Child.SPIIn || len(a.Children) != len(b.Children) {
			return fmt.Errorf("the ends have different Child SAs: a %d, b %d", len(a.Children), len(b.Children))
		}
	}
	if err := w.Gap(); err != nil {
		return err
	}
	for _, h := range []*Host{w.A, w.B} {
		for _, c := range w.A.Settings.Children {
			// Which is for all is each end's own affair (RFC 9611).
			if len(a.Children) == wanted && h.Sends(c.Name).SPIIn != w.Other(h).Sends(c.Name).SPIOut {
				return fmt.Errorf("the ends have different Child SAs %s", c.Name)
			}
		}
		if n := len(a.Children); len(h.Inbound) != n || len(h.reserved) != n {
			return fmt.Errorf("%s holds %d inbound Child SAs and %d SPIs", h.Name, len(h.Inbound), len(h.reserved))
		}
	}
	return nil
}

// sharedByAll pairs the SPIs of all, and counts those that are for all workers.
func sharedByAll(children []sa.ChildStatus) (spis map[uint32]uint32, shared int) {
	spis = map[uint32]uint32{}
	for _, c := range children {
		spis[c.Child.SPIIn] = c.Child.SPIOut
		if c.Child.Resource == 0 {
			shared++
		}
	}
	return spis, shared
}

// Broken reports whether an IKE SA ended other than by a rekey, or a
// Child SA by its hard lifetime: then the tunnel may be down for a while.
func (w *World) Broken() bool {
	if w.disrupted {
		return true
	}
	for _, h := range []*Host{w.A, w.B} {
		for _, r := range h.Reports {
			switch r := r.(type) {
			case sa.IKEClosed:
				if !r.Replaced {
					return true
				}
			case sa.Failed:
				if r.Failure.Reason == sa.ReasonLifetime {
					return true
				}
			}
		}
	}
	return false
}

// Gap tells of a wanted child that a worker of either end cannot send on, or whose packets the
// other end does not receive.
func (w *World) Gap() error {
	for _, h := range []*Host{w.A, w.B} {
		for _, c := range h.Settings.Children {
			for worker := range h.Settings.Resources.Workers + 1 {
				if out := h.SendsBy(c.Name, worker); out == nil || w.Other(h).Inbound[out.SPIOut] == nil {
					return fmt.Errorf("%s sends nothing of %s that the other receives, from worker %d", h.Name, c.Name, worker)
				}
			}
		}
	}
	return nil
}
