package routing

// Choice is one connection that leads to a prefix.
type Choice struct {
	Connection string
	Metric     int
	seed       uint64 // of the connection's name, for rendezvous hashing
}

// Group is the connections that lead to the same prefixes. Immutable.
type Group struct {
	index   int
	choices []Choice // by metric, then name
}

func newGroup(sites []Site, index int) *Group {
	g := &Group{index: index, choices: make([]Choice, len(sites))}
	for i, s := range sites {
		g.choices[i] = Choice{Connection: s.Connection, Metric: s.Metric, seed: seedOf(s.Connection)}
	}
	return g
}

// Index is the group's place in Table.Groups.
func (g *Group) Index() int { return g.index }

// Choices are the connections, the preferred ones first. The slice must not be
// changed.
func (g *Group) Choices() []Choice { return g.choices }

// Select is the index of the choice that carries a flow, whose hash is given:
// of the usable ones with the lowest metric, the one that the flow weighs most.
// So a flow changes its connection only when that goes, or a better one comes
// back: what happens to others does not move it (rendezvous hashing). Without
// any usable one it is that of the lowest metric and the first name, which
// deals with the packet in its own way.
func (g *Group) Select(hash uint64, usable func(choice int) bool) int {
	if len(g.choices) == 1 {
		return 0
	}
	best, weight := -1, uint64(0)
	for i := range g.choices {
		c := &g.choices[i]
		if best >= 0 && c.Metric > g.choices[best].Metric {
			break
		}
		if !usable(i) {
			continue
		}
		if w := mix(hash ^ c.seed); best < 0 || w > weight {
			best, weight = i, w
		}
	}
	return max(best, 0)
}

// seedOf is FNV-1a.
func seedOf(name string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	return h
}

// mix is the finaliser of SplitMix64: every bit of x moves about half of the
// result's.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
