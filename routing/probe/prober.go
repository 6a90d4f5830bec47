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

// Hint is what is known of a path besides its answers.
type Hint uint8

// The hints.
const (
	Cut   Hint = iota // its link carries nothing: it is down at once
	Busy              // packets pass
	Quiet             // none do
)

// Run probes until ctx ends, and closes the line. changed hears of every
// change of the verdict; why is what kept the last request from being sent, or
// nil. It also hears of each new such error while the path is down. A path
// that was not known before begins as down: it has to show that it works.
func Run(ctx context.Context, line Line, s Settings, up bool, hints <-chan Hint, changed func(up bool, why error)) {
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
			v.Answer(sequence, time.Now())
		case h := <-hints:
			if h == Cut {
				v.Cut()
			} else {
				v.SetBusy(h == Busy, time.Now())
			}
		case <-timer.C:
			takeAnswers(line, v)
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

// takeAnswers takes those that are there: one that came in time counts, although
// the timer was looked at first.
func takeAnswers(line Line, v *Verdict) {
	for {
		select {
		case sequence := <-line.Answers():
			v.Answer(sequence, time.Now())
		default:
			return
		}
	}
}
