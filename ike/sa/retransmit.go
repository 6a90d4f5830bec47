package sa

import (
	"math"
	"time"
)

// RetransmitPolicy is the schedule of repeated requests: the n-th wait is
// First*Factor^n, at most Max, less a random part of up to Jitter of it. After
// Tries sends without an answer the last wait ends the exchange.
type RetransmitPolicy struct {
	First  time.Duration
	Factor float64
	Max    time.Duration
	Jitter float64
	Tries  int
}

// DefaultRetransmit gives up after about 100 seconds (the RFCs leave the
// numbers to the implementation: RFC 7296 §2.4, RFC 2408 §5.1).
var DefaultRetransmit = RetransmitPolicy{First: time.Second, Factor: 1.8, Max: 30 * time.Second, Jitter: 0.1, Tries: 8}

// Wait is the pause after the send with number attempt, the first being 0;
// jitter is in [0,1).
func (p RetransmitPolicy) Wait(attempt int, jitter float64) time.Duration {
	d := float64(p.First) * math.Pow(p.Factor, float64(attempt))
	if p.Max > 0 {
		d = math.Min(d, float64(p.Max))
	}
	return time.Duration(d * (1 - p.Jitter*jitter))
}
