package lab

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"causeway/test/lab/world"
)

// sniffer is a tcpdump that prints the packets a filter takes.
type sniffer struct {
	s       *scene
	process *world.Process
}

// sniff begins to look for that many packets on a device. Its output is
// SPACE-NAME.log in the test's directory.
func (s *scene) sniff(space *world.Namespace, device, name string, count int, filter string) *sniffer {
	s.t.Helper()
	p, err := space.Start("sniff-"+space.Role+"-"+name, "tcpdump", "-i", device, "-n", "-v", "-l", "-c", strconv.Itoa(count), filter)
	s.must(err)
	s.eventually("tcpdump", func() error {
		if text := world.Tail(p.Log, 5); !strings.Contains(text, "listening on") {
			return fmt.Errorf("tcpdump says: %s", text)
		}
		return nil
	})
	return &sniffer{s, p}
}

// found waits until all of them have passed and gives tcpdump's lines.
func (n *sniffer) found(within time.Duration) string {
	n.s.t.Helper()
	places.leave()
	defer places.back()
	ctx, cancel := context.WithTimeout(n.s.ctx, within)
	defer cancel()
	select {
	case <-n.process.Done():
		return world.Tail(n.process.Log, 100)
	case <-ctx.Done():
		n.s.t.Fatalf("within %s not all packets passed; tcpdump saw:\n%s", within, world.Tail(n.process.Log, 100))
		return ""
	}
}
