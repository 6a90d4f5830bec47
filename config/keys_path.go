package config

import (
	"net/netip"
	"slices"
	"time"
)

var directKeys = section[Direct]{
	value(Key{Name: "interface", Doc: "The network interface that the private line is at.", Otherwise: "required", Example: "eth1"},
		interfaceName, func(d *Direct) *string { return &d.Interface }),
	value(Key{Name: "next_hop", Doc: "The router at the other end of the line. Networks of the other address family stay in the tunnel.", Otherwise: "none: a point-to-point line", Example: "192.168.9.2"},
		plainAddr, func(d *Direct) *netip.Addr { return &d.NextHop }),
	nested(Key{Name: "probe", Doc: "How the line is watched."}, lineProbeKeys,
		func(d *Direct) *Probe { return &d.Probe }),
}

var lineProbeKeys = append(slices.Clone(probeKeys),
	value(Key{Name: "busy", Doc: "How often while packets pass on the line. An answer may then take 60 ms, or what the line's round trips let expect if that is more; so the defaults find a silent failure within 90 ms.",
		Default: "10ms", Example: "off"},
		either("off", duration(5*time.Millisecond, time.Second)), func(p *Probe) *time.Duration { return &p.Busy }))

var probeKeys = section[Probe]{
	value(Key{Name: "target", Doc: "The address that is asked by ICMP echo.", Otherwise: "`direct.next_hop`; for a tunnel: no probes", Example: "10.2.0.1"},
		plainAddr, func(p *Probe) *netip.Addr { return &p.Target }),
	value(Key{Name: "interval", Doc: "How often.", Default: "200ms", Example: "1s"},
		duration(20*time.Millisecond, time.Hour), func(p *Probe) *time.Duration { return &p.Interval }),
	value(Key{Name: "timeout", Doc: "How long an answer may take.", Otherwise: "the interval", Example: "500ms"},
		duration(10*time.Millisecond, time.Minute), func(p *Probe) *time.Duration { return &p.Timeout }),
	value(Key{Name: "lost", Doc: "So many unanswered in a row, and the path is down.", Default: "3", Example: "5"},
		whole[int](1, 100, "a number from 1 to 100"), func(p *Probe) *int { return &p.Lost }),
	value(Key{Name: "recovered", Doc: "So many answered in a row, and it is up again.", Default: "10", Example: "50"},
		whole[int](1, 10000, "a number from 1 to 10000"), func(p *Probe) *int { return &p.Recovered }),
}
