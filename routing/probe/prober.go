package probe

import (
	"context"
	"time"
)

// Line carries one path's requests. Its answers come on the channel; each is
// the sequence number of a request that was answered by its target, and by
// nobody else.
type Line interface {
	// Send sends a request. It must not block.
	Send(sequence uint16) error
	// Answers may drop what nobody takes.
	Answers() <-chan uint16
	Close() error
}

// Run probes until ctx ends, and closes the line. changed hears of every
// change of the verdict; why is what kept the last request from being sent, or
// nil. It also hears of each new such error while the path is down. A path
// that was not known before begins as down: it has to show that it works. A
// value from cut makes it down at once: its link is known to carry nothing.
func Run(ctx context.Context, line Line, s Settings, up bool, cut <-chan struct{}, changed func(up bool, why error)) {
	defer line.Close()
	v := NewVerdict(s, up)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var why error
	told := ""
	for {
		was := v.Up()
		select {
		case <-ctx.Done():
			return
		case sequence := <-line.Answers():
			v.Answer(sequence)
		case <-cut:
			v.Cut()
		case <-timer.C:
			if sequence, send := v.Tick(time.Now()); send {
				if why = line.Send(sequence); why != nil {
					v.Failed(sequence)
				}
			}
		}
		text := ""
		if why != nil {
			text = why.Error()
		}
		if v.Up() != was || !v.Up() && text != "" && text != told {
			changed(v.Up(), why)
			told = text
		}
		timer.Reset(time.Until(v.Deadline()))
	}
}
