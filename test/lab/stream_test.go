package lab

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"

	"causeway/test/lab/world"
)

// stream is a ping that goes on beside the test, 50 a second.
type stream struct {
	scene   *scene
	process *world.Process
}

func (s *scene) stream(from *world.Namespace, to netip.Addr) *stream {
	s.t.Helper()
	s.streams++
	p, err := from.Start(fmt.Sprintf("ping-%d", s.streams), "ping", "-n", "-i", "0.02", to.String())
	s.must(err)
	return &stream{s, p}
}

var (
	echoReply = regexp.MustCompile(`icmp_seq=(\d+) ttl=`)
	sentTotal = regexp.MustCompile(`(\d+) packets transmitted`)
)

// onTheirWay is how many requests the end of a stream may leave unanswered: a
// quarter of a second's, for ping waits for none and the machine may be busy.
const onTheirWay = 12

// finish ends the stream; every echo must have been answered once, but for those
// that are on their way at the end.
func (p *stream) finish() {
	p.scene.t.Helper()
	p.finishMissing(0)
}

// finishMissing is finish for a stream that may have lost so many. It tells how
// many it lost.
func (p *stream) finishMissing(most int) int {
	t := p.scene.t
	t.Helper()
	_ = p.process.Interrupt(p.scene.ctx) // ping's exit status tells of losses, as its output does
	text, err := os.ReadFile(p.process.Log)
	p.scene.must(err)
	var missing []int
	next := 1
	for _, m := range echoReply.FindAllStringSubmatch(string(text), -1) {
		seq, _ := strconv.Atoi(m[1]) // the pattern has digits only
		for ; next < seq; next++ {
			missing = append(missing, next)
		}
		next = max(next, seq+1)
	}
	sent := 0
	if m := sentTotal.FindStringSubmatch(string(text)); m != nil {
		sent, _ = strconv.Atoi(m[1])
	}
	if len(missing) > most || next-1 < sent-onTheirWay || next < 2 {
		t.Errorf("of %d echo requests these were lost, or overtaken: %v; %d may be; the last answer is to %d; the log ends\n%s",
			sent, missing, most, next-1, world.Tail(p.process.Log, 8))
	} else {
		t.Logf("of %d echo requests %d were lost", sent, len(missing))
	}
	if strings.Contains(string(text), "DUP!") {
		t.Errorf("echo replies came twice: %s", p.process.Log)
	}
	return len(missing)
}

// under runs body while both clients ping each other, and then lets the pings
// go on for half a second.
func (s *scene) under(body func()) {
	s.t.Helper()
	a, b := world.ClientIn(world.SiteA.Networks[0]), world.ClientIn(world.SiteB.Networks[0])
	there, back := s.stream(s.ClientA, b), s.stream(s.ClientB, a)
	s.ping(s.ClientA, b, 10)
	body()
	s.ping(s.ClientA, b, 25)
	there.finish()
	back.finish()
}
