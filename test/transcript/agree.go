package transcript

import (
	"fmt"

	"causeway/ike/sa"
)

// Agree checks that both ends have the same one IKE SA and, for each child that is
// wanted, the same one Child SA pair, and that each sends what the other receives.
func Agree(w *World) error {
	a, b := w.A.Snapshot(), w.B.Snapshot()
	if len(a.IKE) != 1 || len(b.IKE) != 1 {
		return fmt.Errorf("a has %d IKE SAs, b has %d", len(a.IKE), len(b.IKE))
	}
	if a.IKE[0].SPIi != b.IKE[0].SPIi || a.IKE[0].SPIr != b.IKE[0].SPIr {
		return fmt.Errorf("the ends have different IKE SAs")
	}
	wanted := len(w.A.Settings.Children)
	if len(a.Children) != wanted || len(b.Children) != wanted {
		return fmt.Errorf("a has %d Child SAs, b has %d", len(a.Children), len(b.Children))
	}
	if err := w.Gap(); err != nil {
		return err
	}
	for _, h := range []*Host{w.A, w.B} {
		for _, c := range w.A.Settings.Children {
			if h.Sends(c.Name).SPIIn != w.Other(h).Sends(c.Name).SPIOut {
				return fmt.Errorf("the ends have different Child SAs %s", c.Name)
			}
		}
		if len(h.Inbound) != wanted || len(h.reserved) != wanted {
			return fmt.Errorf("%s holds %d inbound Child SAs and %d SPIs", h.Name, len(h.Inbound), len(h.reserved))
		}
	}
	return nil
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

// Gap tells of a wanted child that either end cannot send on, or whose packets the
// other end does not receive.
func (w *World) Gap() error {
	for _, h := range []*Host{w.A, w.B} {
		for _, c := range h.Settings.Children {
			if out := h.Sends(c.Name); out == nil || w.Other(h).Inbound[out.SPIOut] == nil {
				return fmt.Errorf("%s sends nothing of %s that the other receives", h.Name, c.Name)
			}
		}
	}
	return nil
}
