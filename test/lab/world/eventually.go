package world

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollInterval is how often a condition that nothing announces is looked at.
const pollInterval = 25 * time.Millisecond

// EndedError says that a process has ended that was to run.
type EndedError struct {
	Name string
	How  error
	Tail string // of its log
}

// Error implements error.
func (e *EndedError) Error() string {
	return fmt.Sprintf("%s ended: %v; its last lines:\n%s", e.Name, e.How, e.Tail)
}

// Unwrap gives how it ended.
func (e *EndedError) Unwrap() error { return e.How }

// Eventually waits until check gives nil, and when ctx ends first, or a process
// has ended that check needs, gives its last answer.
func Eventually(ctx context.Context, what string, check func() error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	began := time.Now()
	for {
		err := check()
		if err == nil {
			return nil
		}
		var ended *EndedError
		if errors.As(err, &ended) {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %w", time.Since(began).Round(time.Millisecond), what, err)
		case <-ticker.C:
		}
	}
}
