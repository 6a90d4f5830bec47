package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"causeway/routing/kernel"
	"causeway/routing/probe"
)

// scriptedLine answers while its path is up.
type scriptedLine struct {
	up      *atomic.Bool
	answers chan uint16
}

func (l *scriptedLine) Send(sequence uint16) error {
	if l.up.Load() {
		l.answers <- sequence
	}
	return nil
}
func (l *scriptedLine) Answers() <-chan uint16 { return l.answers }
func (l *scriptedLine) Close() error           { return nil }

func TestPaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		up.Store(true)
		opened := 0
		var told []string
		p := newPaths(func(pathID, *watched) probe.Line {
			opened++
			return &scriptedLine{&up, make(chan uint16, 8)}
		}, func(id pathID, up bool, _ error) {
			told = append(told, fmt.Sprint(id.connection, " ", id.kind, " ", up))
		})
		cfg := parse(t, lineAndTwoTunnels)
		p.set(cfg)
		if p.directUp("primary") || !p.tunnelUp("primary") || p.status("standby") != nil {
			t.Error("a line that showed nothing yet is up, or a tunnel without probes is not")
		}
		wait := func() { time.Sleep(3 * time.Second); synctest.Wait() }
		wait()
		if !p.directUp("primary") {
			t.Error("the line is down")
		}
		p.set(cfg) // nothing changed
		if opened != 1 {
			t.Errorf("%d lines were opened", opened)
		}
		changed := *cfg
		changed.Connections = slices.Clone(cfg.Connections)
		changed.Connections[1].Direct.Probe.Interval = 100 * time.Millisecond
		p.set(&changed)
		if opened != 2 || !p.directUp("primary") {
			t.Error("another interval took the line down")
		}
		p.linkDown("eth9")
		synctest.Wait()
		if !p.directUp("primary") {
			t.Error("another link took the line down")
		}
		p.linkDown("eth1")
		synctest.Wait()
		if p.directUp("primary") {
			t.Error("the line is up without its link")
		}
		wait()
		up.Store(false)
		wait()
		if s := p.status("primary"); len(s) != 1 || s[0].State != "down" || s[0].Kind != "direct" || time.Since(s[0].Since) > 3*time.Second {
			t.Errorf("status %+v", s)
		}
		up.Store(true)
		wait()
		ctx, cancel := context.WithCancel(t.Context())
		go p.watchLinks(ctx, func(name string) kernel.Link { return kernel.Link{Carrier: name != "eth1"} })
		time.Sleep(2 * linkPeriod)
		synctest.Wait()
		if p.directUp("primary") {
			t.Error("the line is up without a carrier")
		}
		cancel()
		changed.Connections[1].Direct.Interface = "eth2"
		p.set(&changed)
		p.close()
		if want := []string{"primary direct true", "primary direct false", "primary direct true", "primary direct false", "primary direct true", "primary direct false"}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

// TestLinksAreWatchedWhileLinesWork: nothing looks at interfaces while no line
// works, and the one of a line that begins to work is looked at.
func TestLinksAreWatchedWhileLinesWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up, cut atomic.Bool
		var looks atomic.Int64
		p := newPaths(func(pathID, *watched) probe.Line { return &scriptedLine{&up, make(chan uint16, 8)} }, func(pathID, bool, error) {})
		p.set(parse(t, lineAndTwoTunnels))
		ctx, cancel := context.WithCancel(t.Context())
		go p.watchLinks(ctx, func(string) kernel.Link { looks.Add(1); return kernel.Link{Carrier: !cut.Load()} })
		wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		for range 2 {
			up.Store(false)
			wait(3 * time.Second)
			if p.directUp("primary") {
				t.Fatal("the line works although nobody answers")
			}
			before := looks.Load()
			wait(3 * time.Second)
			if looks.Load() != before {
				t.Errorf("%d looks at an interface whose line does not work", looks.Load()-before)
			}
			up.Store(true)
			wait(3 * time.Second)
			if !p.directUp("primary") || looks.Load() == before {
				t.Fatalf("the line works: %v, after %d looks", p.directUp("primary"), looks.Load()-before)
			}
			cut.Store(true)
			up.Store(false)
			wait(2 * linkPeriod)
			if p.directUp("primary") {
				t.Error("the line works without its link")
			}
			cut.Store(false)
		}
		cancel()
		p.close()
	})
}

// TestTraffic: a ping makes a line busy for a while, and the probes of both ends,
// however many, do not.
func TestTraffic(t *testing.T) {
	const probes, ping = 60, 98 // bytes of a frame
	var line traffic
	now, link := time.Unix(0, 0), kernel.Link{Packets: 1000, Bytes: 1_000_000}
	busy := func(probing, pinging uint64) bool {
		now = now.Add(linkPeriod)
		link.Packets += probing + pinging
		link.Bytes += probing*probes + pinging*ping
		return line.look(now, link, probeFrame4)
	}
	if busy(100, 100) {
		t.Error("what passed before anybody looked makes the line busy")
	}
	if busy(40, 0) {
		t.Error("probes make the line busy")
	}
	if !busy(40, 10) || !busy(40, 0) {
		t.Error("a ping does not make the line busy")
	}
	now = now.Add(busyTime)
	if busy(4, 0) {
		t.Error("the line is busy for ever")
	}
	link.Packets, link.Bytes = 0, 0 // another device of that name
	if busy(1, 1) {
		t.Error("counters that begin anew make the line busy")
	}
}

func TestPathEvents(t *testing.T) {
	id := pathID{"a", pathDirect}
	for _, c := range []struct {
		up         bool
		why        error
		kind, want string
	}{
		{true, nil, "path_up", "probes of the private line are answered again: it carries the traffic"},
		{false, nil, "path_down", "probes of the private line are not answered: the traffic takes another way if there is one"},
		{false, errors.New("no such interface"), "path_down", "the private line cannot be probed: no such interface"},
	} {
		if ev := pathEvent(id, c.up, c.why); ev.Type != c.kind || ev.Message != c.want || ev.Connection != "a" {
			t.Errorf("%+v", ev)
		}
	}
}
