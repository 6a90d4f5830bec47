package transform

import (
	"fmt"
	"slices"
	"strings"
)

// MismatchError says that no offered proposal is acceptable, with both sides
// for comparison. %v is one line, %+v adds both sides in columns.
type MismatchError struct {
	Protocol Protocol
	Offered  []Proposal // the peer's
	Allowed  []Proposal // ours
	// Missing is the transform types for which the closest pair of proposals
	// has nothing in common.
	Missing []Type
}

// mismatch finds the closest pair and makes the error.
func mismatch(proto Protocol, offered, allowed []Proposal, r rules) *MismatchError {
	e := &MismatchError{Protocol: proto, Offered: offered, Allowed: allowed}
	for _, ours := range allowed {
		for _, theirs := range offered {
			_, missing := pair(proto, theirs, ours, r)
			if len(missing) != 0 && (e.Missing == nil || len(missing) < len(e.Missing)) {
				e.Missing = missing
			}
		}
	}
	return e
}

// Error is one line that names the transform types without a common algorithm.
func (e *MismatchError) Error() string {
	switch {
	case len(e.Offered) == 0:
		return fmt.Sprintf("transform: no common %s proposal: the peer offers none", e.Protocol)
	case len(e.Missing) == 0:
		return fmt.Sprintf("transform: no common %s proposal", e.Protocol)
	}
	names := make([]string, len(e.Missing))
	for i, t := range e.Missing {
		names[i] = t.String()
	}
	return fmt.Sprintf("transform: no common %s proposal: nothing in common for %s", e.Protocol, strings.Join(names, ", "))
}

// Hint says what to change in the configuration.
func (e *MismatchError) Hint() string {
	where := strings.ToLower(e.Protocol.String()) + ".proposals"
	var legacy string
	for _, p := range e.Offered {
		s, ok := p.suggest()
		if !ok {
			continue
		}
		if !s.legacy() {
			return fmt.Sprintf("add %q to %s", s, where)
		}
		if legacy == "" {
			legacy = s.String()
		}
	}
	if legacy != "" {
		return fmt.Sprintf("better change the peer; if it cannot be changed, add %q to %s", legacy, where)
	}
	if len(e.Allowed) == 0 {
		return fmt.Sprintf("add a proposal to %s", where)
	}
	hint := fmt.Sprintf("make the peer accept %q", e.Allowed[0])
	if names := e.broken(); len(names) > 0 {
		hint = fmt.Sprintf("the peer offers %s, refused here whatever is configured, because anybody can break it: ", strings.Join(names, " and ")) + hint
	}
	return hint
}

// broken names what the peer offers and nobody gets.
func (e *MismatchError) broken() []string {
	var names []string
	for _, p := range e.Offered {
		for _, t := range p.Transforms {
			if name, ok := broken[t]; ok && t.Type != PseudoRandom && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// suggest is the proposal of the fewest keywords that this offer would match.
func (p Proposal) suggest() (Proposal, bool) {
	whole := Proposal{Protocol: p.Protocol}
	for _, t := range p.Transforms {
		if k, ok := keywordOf(t); ok && k.allowedIn(p.Protocol) && !t.none() {
			whole.Transforms = append(whole.Transforms, t)
		}
	}
	// Legacy transforms last, so that they are chosen only alone.
	slices.SortStableFunc(whole.Transforms, func(a, b Transform) int { return weakness(a) - weakness(b) })
	if s, missing := pair(p.Protocol, p, whole, rules{}); len(missing) == 0 {
		return s.Proposal(), true
	}
	s, missing := pair(p.Protocol, p, whole.without(KeyExchange), rules{})
	return s.Proposal(), len(missing) == 0
}

// legacy tells whether the proposal holds an algorithm that is there for old
// peers only, or one that does not encrypt.
func (p Proposal) legacy() bool {
	return slices.ContainsFunc(p.Transforms, func(t Transform) bool { return weakness(t) != 0 })
}

func weakness(t Transform) int {
	if t.readable() {
		return 2
	}
	if k, ok := keywordOf(t); ok && k.Legacy {
		return 1
	}
	return 0
}

// Format implements %+v, the comparison of both sides; everything else is the
// one line of Error.
func (e *MismatchError) Format(s fmt.State, verb rune) {
	fmt.Fprint(s, e.Error())
	if verb == 'v' && s.Flag('+') {
		fmt.Fprintf(s, "\n%s\n%s", e.Table(), e.Hint())
	}
}

// Table is both sides in two columns, a proposal a line.
func (e *MismatchError) Table() string {
	left, right := column("offered by the peer", e.Offered), column("allowed here", e.Allowed)
	width := 0
	for _, l := range left {
		width = max(width, len(l))
	}
	var b strings.Builder
	for i := range max(len(left), len(right)) {
		var l, r string
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.TrimRight(fmt.Sprintf("  %-*s  | %s", width, l, r), " "))
	}
	return b.String()
}

// maxRows bounds the lines of a table: an offer is as long as its sender likes.
const maxRows = 32

func column(title string, ps []Proposal) []string {
	out := []string{title}
	for i, p := range ps {
		if i == maxRows {
			return append(out, fmt.Sprintf("and %d more", len(ps)-i))
		}
		out = append(out, clip(p.String()))
	}
	if len(ps) == 0 {
		out = append(out, "(nothing)")
	}
	return out
}

// clip shortens a proposal of absurd length.
func clip(s string) string {
	const most = 400
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
