package sa

import "time"

// CheckSends is how often a peer is asked whether it is alive before its silence ends
// anything.
const CheckSends = 5

// Liveness is how the liveness interval is spent, after which a peer from which nothing
// was heard is given up (RFC 7296 §2.4, RFC 3706 §5): some silence, and then questions.
type Liveness struct {
	Asks    time.Duration // of silence before the first question
	Longest time.Duration // that a wait between two questions may be
	Lasts   time.Duration // from the first question to the end
}

// Liveness divides an interval between silence and some sends of a question by the
// policy, no wait jittered. The questions have two thirds of it at most: where their
// schedule is longer, its longest waits are cut, none below the first one, which is what
// an answer takes. The shortest that there is room for is an interval of as many first
// waits and half as many more; from a shorter one on the end comes later than it.
func (p RetransmitPolicy) Liveness(interval time.Duration, sends int) Liveness {
	l := Liveness{Longest: p.Wait(sends-1, 0)}
	left := interval - interval/3
	for n := range sends {
		w := p.Wait(n, 0)
		if share := left / time.Duration(sends-n); w > share {
			l.Longest = max(share, p.Wait(0, 0))
			break
		}
		left -= w
	}
	for n := range sends {
		l.Lasts += min(p.Wait(n, 0), l.Longest)
	}
	l.Asks = max(interval-l.Lasts, interval/3)
	return l
}
