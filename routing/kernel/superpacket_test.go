package kernel

import (
	"testing"
	"time"
)

// TestSuperpacket: superpackets are bounded where nothing is forwarded, and whole from
// the moment on that any interface forwards.
func TestSuperpacket(t *testing.T) {
	const bound = 60000
	for _, setting := range []string{"net.ipv4.conf.all.forwarding", "net.ipv6.conf.all.forwarding", "net.ipv4.conf.lan0.forwarding"} {
		t.Run(setting, func(t *testing.T) {
			inLab(t, func(l *lab) {
				size := func(when string, want uint32) {
					l.Helper()
					if got := l.link(tunName).Attrs().GSOMaxSize; got != want {
						l.Errorf("%s: superpackets of at most %d bytes, want %d", when, got, want)
					}
				}
				d := desired()
				l.must(l.k.Set(d))
				size("nothing is wanted", wholeSuperpacket)
				d.Superpacket = bound
				l.must(l.k.Set(d))
				size("nothing is forwarded", bound)

				heard := make(chan struct{}, 1)
				stop, err := l.k.watchSettings(func() {
					select {
					case heard <- struct{}{}:
					default:
					}
				})
				l.must(err)
				defer stop()
				l.run("sysctl", "-qw", setting+"=1")
				select {
				case <-heard:
				case <-time.After(10 * time.Second):
					l.Fatal("that packets are forwarded was not heard of")
				}
				l.must(l.k.Set(d))
				size("packets are forwarded", wholeSuperpacket)
				l.run("sysctl", "-qw", setting+"=0")
				l.must(l.k.Set(d))
				size("none is again", bound)
			})
		})
	}
}
