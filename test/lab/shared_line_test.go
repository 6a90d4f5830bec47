package lab

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

const (
	lineRate    = 100e6
	siteCount   = 5
	lookedFor   = 2 * time.Second
	looksAtMost = 5
)

// guarantees of the sites, in Mbit/s; 0 is none.
var guarantees = [siteCount]int{40, 20, 10, 0, 0}

// overload is what each site is offered, all together more than the line holds.
var overload = [siteCount]float64{50e6, 30e6, 30e6, 30e6, 30e6}

// TestSharedLine has five sites, three of strongSwan and two of ours, behind one
// gateway whose bandwidth is 100 Mbit/s, and counts outer IP bytes at the router.
// It runs beside no other test.
func TestSharedLine(t *testing.T) {
	require(t)
	l := newSharedLine(t)
	l.guaranteed()
	l.guaranteedTCP()
	l.borrowed()
	l.idlePing()
	l.fromSites()
	l.fair()
	if len(l.unjudged) > 0 {
		t.Logf("not judged, for the machine is not quiet: %v", l.unjudged)
	}
}

// sharedLine is a gateway with five sites.
type sharedLine struct {
	*scene
	hub    *gateway.Gateway
	ends   []link.End // the hub's
	spaces []*world.Namespace
	names  []string
	// unjudged are the looks of which no span was as it should be, and none quiet.
	unjudged []string
}

func newSharedLine(t *testing.T) *sharedLine {
	t.Helper()
	l := &sharedLine{scene: makeUnseen(t)}
	l.lastFor(sceneTimeout)
	for i := range siteCount {
		site := world.FurtherSite(i + 1)
		space, err := l.AddSite(l.ctx, site)
		l.must(err)
		l.must(space.SingleFrames(l.ctx, "wan"))
		end := link.Between(world.SiteA, site)
		end.Name = site.Name
		l.ends, l.spaces, l.names = append(l.ends, end), append(l.spaces, space), append(l.names, site.Name)
		if i < 3 {
			l.strongswan(space, end.Peer())
		} else {
			l.causeway(space, end.Peer())
		}
	}
	l.share(guarantees)
	l.must(l.GatewayA.SingleFrames(l.ctx, "wan"))
	l.hub = l.causeway(l.GatewayA, l.ends...)
	for i, name := range l.names {
		l.upNamed(l.hub, name)
		l.ping(l.ClientA, l.at(i), 3)
	}
	return l
}

// share puts guarantees into the hub's ends.
func (l *sharedLine) share(guarantees [siteCount]int) {
	l.ends[0].GatewayKeys = "bandwidth: {up: 100mbit, down: 100mbit}"
	for i, g := range guarantees {
		l.ends[i].Keys = ""
		if g > 0 {
			l.ends[i].Keys = fmt.Sprintf("bandwidth: {guarantee: %dmbit}", g)
		}
	}
}

// at is the address of a site.
func (l *sharedLine) at(site int) netip.Addr { return world.GatewayIn(l.ends[site].RemoteNetworks[0]) }

// toward overloads a site by UDP.
func (l *sharedLine) toward(site int) *load {
	l.t.Helper()
	return l.udp(l.ClientA, l.spaces[site], l.at(site), overload[site])
}

// under runs a step while loads go on.
func (l *sharedLine) during(loads []*load, step func()) {
	defer func() {
		for _, x := range loads {
			x.stop()
		}
	}()
	step()
}

// look wants a span of time in which the figures are as they should. Others that
// use this machine, or its host, take the senders' and the gateway's time: while they
// do, a span that is not as it should says nothing.
func (l *sharedLine) look(what string, try func() (figures string, err error)) {
	l.t.Helper()
	var wrong error
	for range looksAtMost {
		disturbing := watchDisturbance(l.t)
		figures, err := try()
		disturbed := disturbing()
		l.t.Logf("%s: %s; %v", what, figures, disturbed)
		if err == nil {
			return
		}
		l.t.Log(err)
		if disturbed.quiet() {
			wrong = err
		}
	}
	if wrong != nil {
		l.t.Errorf("%s: %v", what, wrong)
	} else {
		l.unjudged = append(l.unjudged, what)
	}
}

// lookAtRates is look for the rates of the sites.
func (l *sharedLine) lookAtRates(what string, measure func() []float64, check func([]float64) error) {
	l.t.Helper()
	l.look(what, func() (string, error) {
		rates := measure()
		text := ""
		for _, r := range rates {
			text += fmt.Sprintf("%.2f ", r/1e6)
		}
		return text + fmt.Sprintf("Mbit/s, together %.2f", total(rates)/1e6), check(rates)
	})
}

// outward measures at the router what leaves for the sites.
func (l *sharedLine) outward() []float64 {
	before := l.passed()
	time.Sleep(lookedFor)
	return l.passed().rates(before, l.names)
}

// full wants the line filled and each guarantee held.
func full(rates []float64) error {
	for i, g := range guarantees {
		if rates[i] < float64(g)*1e6*0.97 {
			return fmt.Errorf("site %d has %.2f of its %d Mbit/s", i+1, rates[i]/1e6, g)
		}
	}
	return filled(rates)
}

func filled(rates []float64) error {
	if sum := total(rates); sum < lineRate*0.98 || sum > lineRate*1.02 {
		return fmt.Errorf("the line carries %.2f Mbit/s", sum/1e6)
	}
	return nil
}

func (l *sharedLine) guaranteed() {
	var loads []*load
	for i := range siteCount {
		loads = append(loads, l.toward(i))
	}
	l.during(loads, func() { l.lookAtRates("UDP to all", l.outward, full) })
}

// guaranteedTCP has a guarantee used by TCP against UDP, which does not yield.
func (l *sharedLine) guaranteedTCP() {
	loads := []*load{
		l.tcp(l.ClientA, l.spaces[0], l.at(0), 4), l.toward(1), l.tcp(l.ClientA, l.spaces[2], l.at(2), 4), l.toward(3), l.toward(4),
	}
	l.during(loads, func() { l.lookAtRates("TCP to sites 1 and 3, UDP to the others", l.outward, full) })
}

// borrowed: what an idle site is guaranteed others use, until it wants it.
func (l *sharedLine) borrowed() {
	const within, then = 200 * time.Millisecond, 300 * time.Millisecond
	var loads []*load
	for i := 1; i < siteCount; i++ {
		loads = append(loads, l.toward(i))
	}
	after := func() []float64 {
		time.Sleep(within)
		before := l.passed()
		time.Sleep(then)
		return l.passed().rates(before, l.names)
	}
	l.during(loads, func() {
		l.lookAtRates("site 1 is idle", l.outward, filled)
		var owner *load
		l.lookAtRates("200 ms after site 1 began", func() []float64 {
			if owner != nil {
				owner.stop()
			}
			owner = l.toward(0)
			return after()
		}, full)
		l.lookAtRates("200 ms after site 1 ended", func() []float64 {
			owner.stop()
			rates := after()
			owner = l.toward(0)
			time.Sleep(within)
			return rates
		}, filled)
		owner.stop()
	})
}

var echoTime = regexp.MustCompile(`time=([0-9.]+) ms`)

// idlePing pings an idle site while the others are overloaded.
func (l *sharedLine) idlePing() {
	const most, count = 20.0, 100
	var loads []*load
	for i := range siteCount - 1 {
		loads = append(loads, l.toward(i))
	}
	l.during(loads, func() {
		l.look("echoes through an idle site", func() (string, error) {
			ms := l.echoes(l.at(siteCount-1), count)
			slowest := slices.Max(append(ms, 0))
			figures := fmt.Sprintf("%d of %d, the slowest after %.2f ms", len(ms), count, slowest)
			if len(ms) < count || slowest > most {
				return figures, fmt.Errorf("want all of them within %v ms", most)
			}
			return figures, nil
		})
	})
}

// echoes are the round trips of up to count pings, in ms.
func (l *sharedLine) echoes(to netip.Addr, count int) (list []float64) {
	out, _ := l.ClientA.Run(l.ctx, "ping", "-n", "-i", "0.02", "-W", "2", "-c", strconv.Itoa(count), to.String()) // what is missing tells
	for _, m := range echoTime.FindAllStringSubmatch(out, -1) {
		ms, _ := strconv.ParseFloat(m[1], 64) // the pattern has digits only
		list = append(list, ms)
	}
	return list
}

// fromSites overloads the other direction: what is let in is shared alike,
// though all of it has crossed the line already.
func (l *sharedLine) fromSites() {
	var loads []*load
	for i := range siteCount {
		loads = append(loads, l.udp(l.spaces[i], l.ClientA, world.ClientIn(world.SiteA.Networks[0]), overload[i]))
	}
	var came []float64
	l.during(loads, func() {
		l.lookAtRates("UDP from all", func() (passed []float64) {
			came, passed = l.inward(loads)
			return passed
		}, func(rates []float64) error {
			for i, g := range guarantees {
				if want := min(float64(g)*1e6, came[i]); rates[i] < want*0.97 {
					return fmt.Errorf("site %d, guaranteed %d Mbit/s, has %.2f of the %.2f that it sent", i+1, g, rates[i]/1e6, came[i]/1e6)
				}
			}
			return filled(rates)
		})
	})
}

// inward measures what came from the sites, and what of it the gateway passed.
func (l *sharedLine) inward(loads []*load) (came, passed []float64) {
	before := l.passed()
	arrived := make([]uint64, siteCount)
	for i, x := range loads {
		arrived[i] = x.packets.Load()
	}
	time.Sleep(lookedFor)
	after := l.passed()
	took := after.at.Sub(before.at).Seconds()
	for i, x := range loads {
		a, b := before.back[l.names[i]], after.back[l.names[i]]
		bits := 8 * float64(b.Bytes-a.Bytes) / took
		came = append(came, bits)
		passed = append(passed, bits*float64(x.packets.Load()-arrived[i])/float64(max(1, b.Packets-a.Packets)))
	}
	return came, passed
}

// fair takes the guarantees away by a reload: all have one weight.
func (l *sharedLine) fair() {
	loads := []*load{
		l.toward(0), l.tcp(l.ClientA, l.spaces[1], l.at(1), 4), l.toward(2), l.tcp(l.ClientA, l.spaces[3], l.at(3), 4), l.toward(4),
	}
	l.share([siteCount]int{})
	l.must(l.hub.Configure(l.ends...))
	_, err := l.hub.Command(l.ctx, "reload")
	l.must(err)
	l.during(loads, func() {
		l.lookAtRates("equal weights, TCP to sites 2 and 4", l.outward, func(rates []float64) error {
			if index := jain(rates); index < 0.98 {
				return fmt.Errorf("Jain's index is %.4f", index)
			}
			return filled(rates)
		})
	})
}
