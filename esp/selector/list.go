package selector

// List is the union of its selectors, in order of preference.
type List []Selector

// Any selects all IPv4 and IPv6 traffic.
func Any() List { return nil }

// Narrow returns what of offer the list allows, in the list's order.
func (l List) Narrow(offer List) List { return nil }

// Contains reports whether o's traffic is all l's.
func (l List) Contains(o List) bool { return false }

// Equal reports whether both select the same traffic.
func (l List) Equal(o List) bool { return false }

// String lists the selectors, separated by ", ".
func (l List) String() string { return "" }
