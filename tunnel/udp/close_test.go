package udp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// blocked waits until n goroutines are in a blocking receive.
func blocked(n int) {
	stacks := make([]byte, 1<<20)
	for {
		all := string(stacks[:runtime.Stack(stacks, true)])
		if strings.Count(all, "udp.recvmmsgBlocking(") >= n {
			return
		}
		runtime.Gosched()
	}
}

func TestCloseWakesReceive(t *testing.T) {
	for name, wait := range map[string]func(int){"blocked": blocked, "at any time": func(int) {}} {
		t.Run(name, func(t *testing.T) {
			c := listen(t, Config{})
			errs := make(chan error, len(c.sockets))
			for _, r := range c.Receivers() {
				if err := r.SetTimeout(30 * time.Second); err != nil {
					t.Fatal(err)
				}
				go func() {
					_, err := r.Receive(NewBatch(1))
					errs <- err
				}()
			}
			wait(len(c.sockets))
			start := time.Now()
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if time.Since(start) > 20*time.Second {
				t.Error("Close waited for the time-out of Receive")
			}
			for range c.Receivers() {
				if err := <-errs; !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			}
		})
	}
}

func TestClosed(t *testing.T) {
	c := listen(t, Config{})
	_, nat := c.ports()
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	self := netip.AddrPortFrom(v4, nat)
	if err := c.NewSender(0).Send([]Run{{Payload: slab(9), Local: self, Remote: self}}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("send after close: %v", err)
	}
	if err := c.SendIKE(slab(9), self, self); !errors.Is(err, net.ErrClosed) {
		t.Errorf("SendIKE after close: %v", err)
	}
	if _, err := c.Receivers()[0].TryReceive(NewBatch(1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("receive after close: %v", err)
	}
}

func TestTimeout(t *testing.T) {
	c := listen(t, Config{})
	r := c.Receivers()[0]
	if n, err := r.TryReceive(NewBatch(1)); n != 0 || err != nil {
		t.Errorf("nothing to receive: %d, %v", n, err)
	}
	if err := r.SetTimeout(time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Receive(NewBatch(1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
