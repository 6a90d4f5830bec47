package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// test is one kind of load.
type test struct {
	name, title string
	options     []string // of iperf3; none: nothing but ping
	packet      int      // bytes in each UDP datagram; 0 with TCP
	ping        bool     // what counts is ping
}

var tests = []test{
	{"tcp", "TCP, 1 flow", []string{"-P1"}, 0, false},
	{"tcp4", "TCP, 4 flows", []string{"-P4"}, 0, false},
	{"reverse", "TCP, 1 flow, reverse", []string{"-P1", "-R"}, 0, false},
	{"udp1200", "UDP, 1200 bytes", []string{"-u", "-b0", "-l1200"}, 1200, false},
	{"udp64", "UDP, 64 bytes", []string{"-u", "-b0", "-l64"}, 64, false},
	{"ping", "ping, idle", nil, 0, true},
	{"pingload", "ping, under 4 TCP flows", []string{"-P4"}, 0, true},
}

func testNames() []string {
	var list []string
	for _, t := range tests {
		list = append(list, t.name)
	}
	return list
}

// sample is the outcome of one run. What does not apply is 0.
type sample struct {
	bits    float64 // a second, received
	packets float64 // a second, received; UDP only
	cpu     float64 // seconds of both gateway processes for each GB received
	ping    float64 // median round trip in ms
}

// results are the samples by test and contender, in the order of the rounds.
type results map[string]map[string][]sample

// measure runs every test on every contender in every round, each round
// beginning with another contender.
func measure(ctx context.Context, o options, contenders []*contender) (results, error) {
	r := results{}
	for round := range o.rounds {
		for _, t := range tests {
			if !slices.Contains(o.tests, t.name) {
				continue
			}
			if r[t.name] == nil {
				r[t.name] = map[string][]sample{}
			}
			for i := range contenders {
				c := contenders[(i+round)%len(contenders)]
				s, err := c.profiled(ctx, t, o)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", c.name, t.title, err)
				}
				r[t.name][c.name] = append(r[t.name][c.name], s)
				fmt.Printf("round %d of %d  %-22s %-14s %s\n", round+1, o.rounds, t.title, c.name, s)
			}
		}
	}
	return r, nil
}

// profiled is run, with profiles if they are wanted.
func (c *contender) profiled(ctx context.Context, t test, o options) (s sample, err error) {
	if o.profile == "" || c.name != causeway {
		return c.run(ctx, t, o.seconds)
	}
	p := &profile{directory: o.profile}
	if err := p.begin(ctx, c); err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	return c.run(ctx, t, o.seconds)
}

func (s sample) String() string {
	if s.ping > 0 {
		return fmt.Sprintf("%8.3f ms", s.ping)
	}
	text := fmt.Sprintf("%8.3f Gbit/s", s.bits/1e9)
	if s.packets > 0 {
		text += fmt.Sprintf("  %7.1f kpacket/s", s.packets/1e3)
	}
	if s.cpu > 0 {
		text += fmt.Sprintf("  %6.2f CPU s/GB", s.cpu)
	}
	return text
}

func (c *contender) run(ctx context.Context, t test, seconds int) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+30*time.Second)
	defer cancel()
	if t.options == nil {
		return c.ping(ctx)
	}
	if t.ping {
		return c.pingUnder(ctx, t, seconds)
	}
	before, err := c.cpu()
	if err != nil {
		return sample{}, err
	}
	arguments := append([]string{"-c", server.String(), "-t", strconv.Itoa(seconds), "-J"}, t.options...)
	out, err := c.world.ClientA.Command(ctx, "iperf3", arguments...).Output()
	if err != nil {
		return sample{}, fmt.Errorf("iperf3: %w: %.300s", err, out)
	}
	after, err := c.cpu()
	if err != nil {
		return sample{}, err
	}
	bits, bytes, err := received(out)
	if err != nil {
		return sample{}, err
	}
	s := sample{bits: bits, cpu: (after - before) / (bytes / 1e9)}
	if t.packet > 0 {
		s.packets = bits / 8 / float64(t.packet)
	}
	return s, nil
}

// received reads what iperf3 -J says of the receiving side.
func received(out []byte) (bits, bytes float64, err error) {
	var result struct {
		Error string `json:"error"`
		End   struct {
			Received struct {
				Bytes float64 `json:"bytes"`
				Bits  float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return 0, 0, fmt.Errorf("iperf3: %w", err)
	}
	if result.Error != "" {
		return 0, 0, errors.New("iperf3: " + result.Error)
	}
	if result.End.Received.Bytes == 0 {
		return 0, 0, errors.New("iperf3: nothing arrived")
	}
	return result.End.Received.Bits, result.End.Received.Bytes, nil
}

// userHZ is the unit of times in /proc: fixed by the kernel's interface.
const userHZ = 100

// cpu is the seconds that the gateway processes have computed so far, in user
// and kernel mode (proc_pid_stat(5): utime and stime).
func (c *contender) cpu() (float64, error) {
	var ticks float64
	for _, pid := range c.pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, fmt.Errorf("a gateway has ended: %w", err)
		}
		// The name, in parentheses, may hold spaces.
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 13 {
			return 0, fmt.Errorf("/proc/%d/stat: %q", pid, text)
		}
		for _, field := range fields[11:13] {
			n, err := strconv.ParseFloat(field, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
			}
			ticks += n
		}
	}
	return ticks / userHZ, nil
}

// pingUnder is ping while the tunnel is full.
func (c *contender) pingUnder(ctx context.Context, t test, seconds int) (s sample, err error) {
	arguments := append([]string{"-c", server.String(), "-t", strconv.Itoa(seconds + 2), "-J"}, t.options...)
	load := c.world.ClientA.Command(ctx, "iperf3", arguments...)
	if err := load.Start(); err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, load.Wait()) }()
	time.Sleep(time.Second) // until the flows have their speed
	return c.ping(ctx)
}

var pingTime = regexp.MustCompile(`time=([0-9.]+) ms`)

// ping is the median of fifty round trips.
func (c *contender) ping(ctx context.Context) (sample, error) {
	out, err := c.world.ClientA.Run(ctx, "ping", "-n", "-c50", "-i0.02", "-W2", server.String())
	if err != nil {
		return sample{}, err
	}
	var times []float64
	for _, m := range pingTime.FindAllStringSubmatch(out, -1) {
		ms, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return sample{}, fmt.Errorf("ping: %w", err)
		}
		times = append(times, ms)
	}
	if len(times) == 0 {
		return sample{}, errors.New("ping: no answers")
	}
	return sample{ping: median(times)}, nil
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	if n := len(list); n%2 == 0 {
		return (list[n/2-1] + list[n/2]) / 2
	}
	return list[len(list)/2]
}
