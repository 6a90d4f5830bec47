package world

import (
	"context"
	"fmt"
	"time"
)

// pollInterval is how often a condition that nothing announces is looked at.
const pollInterval = 50 * time.Millisecond

// Eventually waits until check gives nil, and when ctx ends first gives its
// last answer.
func Eventually(ctx context.Context, what string, check func() error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	began := time.Now()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %w", time.Since(began).Round(time.Millisecond), what, err)
		case <-ticker.C:
		}
	}
}
