//go:build !purego

package prefetch

import "sync/atomic"

//go:noescape
func fetch(spans *[mostSpans]atomic.Uint64)
