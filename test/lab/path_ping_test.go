package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"time"

	"causeway/test/lab/world"
)

// tally is how many echo requests were sent and answered.
type tally struct{ sent, answered int }

var summary = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)

// tallyOf reads the summary that ping ends with.
func tallyOf(output string) (tally, error) {
	m := summary.FindStringSubmatch(output)
	if m == nil {
		return tally{}, fmt.Errorf("ping has no summary in:\n%s", output)
	}
	sent, err := strconv.Atoi(m[1])
	answered, err2 := strconv.Atoi(m[2])
	return tally{sent, answered}, errors.Join(err, err2)
}

// steadyPing is a ping that goes on.
type steadyPing struct {
	s       *scene
	process *world.Process
}

// steady begins to ping every interval, until stop or until count requests
// were sent; 0 is no end.
func (s *scene) steady(from *world.Namespace, to netip.Addr, interval time.Duration, count int) *steadyPing {
	s.t.Helper()
	arguments := []string{"-n", "-q", "-i", fmt.Sprint(interval.Seconds()), "-W", "2"}
	if count > 0 {
		arguments = append(arguments, "-c", strconv.Itoa(count))
	}
	p, err := from.Start("ping-"+from.Role+"-"+to.String(), "ping", append(arguments, to.String())...)
	s.must(err)
	return &steadyPing{s, p}
}

// stop ends the ping and tells how it went.
func (p *steadyPing) stop() tally {
	p.s.t.Helper()
	// An answer may be on its way: the exit status does not matter.
	_ = p.process.Interrupt(p.s.ctx)
	return p.result()
}

// wait waits until all requests were sent.
func (p *steadyPing) wait() tally {
	p.s.t.Helper()
	select {
	case <-p.process.Done():
	case <-p.s.ctx.Done():
		p.s.t.Fatal("ping does not end")
	}
	return p.result()
}

func (p *steadyPing) result() tally {
	p.s.t.Helper()
	output, err := os.ReadFile(p.process.Log)
	p.s.must(err)
	got, err := tallyOf(string(output))
	p.s.must(err)
	return got
}

// reaches tries one echo request.
func (s *scene) reaches(from *world.Namespace, to netip.Addr) error {
	ctx, cancel := context.WithTimeout(s.ctx, 3*time.Second)
	defer cancel()
	_, err := from.Run(ctx, "ping", "-n", "-q", "-c", "1", "-W", "1", to.String())
	return err
}
