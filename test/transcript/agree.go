package transcript

import (
	"fmt"

	"causeway/ike/sa"
)

// Agree checks that both ends have the same one IKE SA and the same one Child
// SA pair, and that each sends what the other receives.
func Agree(w *World) error {
	a, b := w.A.Machine.Snapshot(), w.B.Machine.Snapshot()
	if len(a.IKE) != 1 || len(b.IKE) != 1 {
		return fmt.Errorf("a has %d IKE SAs, b has %d", len(a.IKE), len(b.IKE))
	}
	if a.IKE[0].SPIi != b.IKE[0].SPIi || a.IKE[0].SPIr != b.IKE[0].SPIr {
		return fmt.Errorf("the ends have different IKE SAs")
	}
	if len(a.Children) != 1 || len(b.Children) != 1 {
		return fmt.Errorf("a has %d Child SAs, b has %d", len(a.Children), len(b.Children))
	}
	ca, cb := a.Children[0].Child, b.Children[0].Child
	if ca.SPIIn != cb.SPIOut || ca.SPIOut != cb.SPIIn {
		return fmt.Errorf("the ends have different Child SAs")
	}
	for _, h := range []*Host{w.A, w.B} {
		out := h.Sends("net")
		if out == nil || w.Other(h).Inbound[out.SPIOut] == nil {
			return fmt.Errorf("%s does not send what the other receives", h.Name)
		}
		if len(h.Inbound) != 1 || len(h.reserved) != 1 {
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
