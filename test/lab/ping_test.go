package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"time"

	"causeway/test/lab/link"
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

// ping sends count echo requests and wants every one answered. Ping waits for
// the last answer only a little longer than for the others, and a busy machine
// may take longer still: such requests are sent anew, twice, all at once, for then
// it waits five seconds. Options may follow, such as "-I" and the source.
func (s *scene) ping(from *world.Namespace, to netip.Addr, count int, options ...string) {
	s.t.Helper()
	arguments := append([]string{"-n", "-i", "0.02", "-W", "2", "-c", strconv.Itoa(count)}, options...)
	var output string
	for range 3 {
		output, _ = from.Run(s.ctx, "ping", append(arguments, to.String())...) // the summary tells of failures
		if got, err := tallyOf(output); err == nil && got == (tally{count, count}) {
			return
		}
		arguments = append(arguments, "-l", strconv.Itoa(count), "-i", "5")
	}
	s.t.Fatalf("%s: not all of %d echo requests to %s were answered, three times: %s", from.Role, count, to, output)
}

// bothPings is how many packets pingBoth sends each way at least, for each pair of
// networks.
const bothPings = 10

// pingBoth pings from client to client, both ways, for each pair of networks.
// All requests leave at once: ping then has two seconds for the last answer.
func (s *scene) pingBoth(end link.End) {
	s.t.Helper()
	own, other := s.clients(end)
	for i := range end.LocalNetworks {
		here, there := world.ClientIn(end.LocalNetworks[i]), world.ClientIn(end.RemoteNetworks[i])
		s.ping(own, there, bothPings/2, "-l", "5", "-i", "2", "-I", here.String())
		s.ping(other, here, bothPings/2, "-l", "5", "-i", "2", "-I", there.String())
	}
}

// pingThousand pings between the first networks both ways at once, a thousand
// times each, and wants every request answered.
func (s *scene) pingThousand() {
	s.t.Helper()
	var streams []*stream
	for from, to := range map[*world.Namespace]world.Site{s.ClientA: world.SiteB, s.ClientB: world.SiteA} {
		streams = append(streams, s.streamOf(from, world.ClientIn(to.Networks[0]), 4*time.Millisecond, 1000))
	}
	for _, p := range streams {
		p.sends.Wait()
		p.finish()
	}
}

// reaches tries one echo request.
func (s *scene) reaches(from *world.Namespace, to netip.Addr) error {
	ctx, cancel := context.WithTimeout(s.ctx, 3*time.Second)
	defer cancel()
	_, err := from.Run(ctx, "ping", "-n", "-q", "-c", "1", "-W", "1", to.String())
	return err
}
