package meter

// order is a heap of classes by a key, the smallest first.
type order []ordered

type ordered struct {
	key   float64
	class *Class
}

func (o *order) push(key float64, c *Class) {
	*o = append(*o, ordered{key, c})
	h := *o
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if h[up].key <= h[i].key {
			break
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
}

// pop takes out the first, of which there must be one.
func (o *order) pop() ordered {
	h := *o
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h[last] = ordered{}
	h = h[:last]
	*o = h
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			break
		}
		if down+1 < last && h[down+1].key < h[down].key {
			down++
		}
		if h[i].key <= h[down].key {
			break
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
	return first
}
