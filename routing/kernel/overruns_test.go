package kernel

import (
	"net"
	"testing"
)

// TestOverruns: what the kernel drops at a device whose queue nobody reads is
// counted.
func TestOverruns(t *testing.T) {
	inLab(t, func(l *lab) {
		l.must(l.k.Set(desired()))
		if n := l.k.Overruns(tunName); n != 0 {
			l.Errorf("%d dropped before anything was sent", n)
		}
		c, err := net.Dial("udp", "10.2.0.1:9")
		l.must(err)
		defer c.Close()
		const some = 600 // more than the queue takes
		for range some {
			_, _ = c.Write([]byte("x")) // the kernel may say that it had no room
		}
		n := l.k.Overruns(tunName)
		if n == 0 || n > some {
			l.Errorf("%d of %d packets dropped", n, some)
		}
		l.k.mu.Lock()
		defer l.k.mu.Unlock()
		if again := l.k.Overruns(tunName); again != n {
			l.Errorf("%d while routes are being set, %d before", again, n)
		}
	})
}
