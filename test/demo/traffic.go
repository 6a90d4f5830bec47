package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"causeway/test/lab/world"
)

// pattern is what the pings carry; it must not be seen on the wire.
const pattern = "CAUSEWAY"

// lastLines of ping's output: the packets and the times.
var lastLines = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received.*?\n(?:rtt [^=]*= [\d.]+/([\d.]+)/.*)?`)

// ping sends over IPv4 and IPv6, and watches the wire meanwhile.
func (d *demo) ping(ctx context.Context) error {
	d.section("Client A reaches client B, and what the router between sees of it")
	wire, err := watch(d.world.Router, "a")
	if err != nil {
		return err
	}
	sent, received := 0, 0
	for _, address := range []string{"10.2.0.2", "fd00:2::2"} {
		d.command("ping " + address + "     (on client A)")
		// All at once: ping then has five seconds for the last answer.
		out, err := d.world.ClientA.Run(ctx, "ping", "-n", "-c5", "-l5", "-i5", "-W5", "-p", fmt.Sprintf("%x", pattern), address)
		m := lastLines.FindStringSubmatch(out)
		if m == nil {
			return errors.Join(fmt.Errorf("ping %s: no result", address), err, wire.close())
		}
		d.line("%s sent, %s received, %s ms on average", m[1], m[2], m[3])
		var s, r int
		_, _ = fmt.Sscan(m[1], &s) // the expression admits digits only
		_, _ = fmt.Sscan(m[2], &r)
		sent, received = sent+s, received+r
	}
	d.line("")
	if err := wire.close(); err != nil {
		return err
	}
	for _, frame := range wire.first {
		d.line("%s", frame)
	}
	d.line("... %d datagrams of ESP in UDP; %d of them show the %q that the pings carry", wire.esp, wire.plain, pattern)
	d.pings = fmt.Sprintf("%d of %d pings answered", received, sent)
	d.onWire = fmt.Sprintf("%d ESP datagrams on the wire, none readable", wire.esp)
	switch {
	case received < sent:
		return fmt.Errorf("only %s", d.pings)
	case wire.esp < 2*sent:
		return fmt.Errorf("%d pings and only %d ESP datagrams on the wire", sent, wire.esp)
	case wire.plain > 0:
		return errors.New("the wire shows what the pings carry")
	}
	return nil
}

// seconds that each transfer lasts.
const seconds = 3

// transfer moves TCP with iperf3, in both directions.
func (d *demo) transfer(ctx context.Context) error {
	d.section("TCP from client to client")
	server, err := d.world.ClientB.Start("iperf3", "iperf3", "-s", "--forceflush")
	if err != nil {
		return err
	}
	if err := world.Eventually(ctx, "iperf3", func() error {
		if !strings.Contains(world.Tail(server.Log, 5), "Server listening") {
			return errors.Join(errors.New("it does not listen yet"), server.Running())
		}
		return nil
	}); err != nil {
		return err
	}
	for _, direction := range []struct {
		name    string
		options []string
	}{{"A to B", nil}, {"B to A", []string{"--reverse"}}} {
		options := append([]string{"-c", "10.2.0.2", "-t", fmt.Sprint(seconds)}, direction.options...)
		d.command("iperf3 " + strings.Join(options, " ") + "     (on client A)")
		out, err := d.world.ClientA.Run(ctx, "iperf3", append(options, "--json")...)
		if err != nil {
			return err
		}
		bits, resent, err := throughput(out)
		if err != nil {
			return err
		}
		d.line("%s: %s, %d segments resent", direction.name, rate(bits), resent)
		d.tcp = append(d.tcp, rate(bits)+" "+direction.name)
	}
	return nil
}

// throughput reads what iperf3 -J says.
func throughput(out string) (bits float64, resent int, err error) {
	var result struct {
		End struct {
			Sent struct {
				Retransmits int `json:"retransmits"`
			} `json:"sum_sent"`
			Received struct {
				Bits float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		return 0, 0, fmt.Errorf("iperf3: %w", err)
	}
	if result.End.Received.Bits == 0 {
		return 0, 0, errors.New("iperf3: nothing arrived")
	}
	return result.End.Received.Bits, result.End.Sent.Retransmits, nil
}

func rate(bits float64) string {
	if bits >= 1e9 {
		return fmt.Sprintf("%.2f Gbit/s", bits/1e9)
	}
	return fmt.Sprintf("%.0f Mbit/s", bits/1e6)
}
