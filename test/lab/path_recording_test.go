package lab

import (
	"slices"
	"sync"

	"causeway/test/lab/relay"
)

// recording keeps what the two gateways sent each other, up to a bound. It may
// be used by several goroutines.
type recording struct {
	mu   sync.Mutex
	list []heard
	kept map[[2]int]int // by direction and kind
}

// heard is one datagram.
type heard struct {
	path      int
	direction relay.Direction
	payload   []byte
}

func (h heard) port() uint16 {
	if h.path == pathIKE {
		return 500
	}
	return 4500
}

// maxHeard bounds the datagrams kept of each kind and direction.
const maxHeard = 200

// watch is a relay's Config.Watch.
func (r *recording) watch(path int, d relay.Direction, payload []byte) {
	kind := 0
	if path == pathNAT && !hasMarker(payload) {
		kind = 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		r.kept = map[[2]int]int{}
	}
	if key := [2]int{int(d), kind}; r.kept[key] < maxHeard {
		r.kept[key]++
		r.list = append(r.list, heard{path, d, slices.Clone(payload)})
	}
}

// all gives what went in a direction.
func (r *recording) all(d relay.Direction) []heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []heard
	for _, h := range r.list {
		if h.direction == d {
			list = append(list, h)
		}
	}
	return list
}
