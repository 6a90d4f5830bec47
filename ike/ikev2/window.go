package ikev2

import "time"

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

// DefaultRetransmit gives up after about two minutes.
var DefaultRetransmit = RetransmitPolicy{First: time.Second, Factor: 1.8, Max: 30 * time.Second, Jitter: 0.1, Tries: 8}
