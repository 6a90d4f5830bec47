package world

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// Masquerade makes the router a NAT for what leaves towards the named site:
// the sources become the router's own address there.
func (w *World) Masquerade(ctx context.Context, towards Site) error {
	return w.nft(ctx, fmt.Sprintf(`
table inet nat {
  chain out {
    type nat hook postrouting priority srcnat
    oifname %q meta l4proto udp masquerade to :20000-30000
  }
}`, towards.Name))
}

// Lose drops that percentage of the UDP datagrams through the router, at
// random, in each direction; 0 ends it.
func (w *World) Lose(ctx context.Context, percent int) error {
	if percent == 0 {
		return w.Router.Shell(ctx, "nft delete table inet loss")
	}
	some := fmt.Sprintf("numgen random mod 100 < %d", percent)
	if percent >= 100 {
		some = ""
	}
	return w.nft(ctx, fmt.Sprintf(`
table inet loss {
  chain through {
    type filter hook forward priority filter
    meta l4proto udp %s counter drop
  }
}`, some))
}

func (w *World) nft(ctx context.Context, rules string) error {
	cmd := w.Router.Command(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("world: nft: %w: %s", err, out)
	}
	return nil
}

// Capture keeps what passes the router's links in NAME.pcap. The first 100,000
// packets are kept, which bounds the file.
func (w *World) Capture(ctx context.Context, name string) (*Process, error) {
	file := filepath.Join(w.Dir, name+".pcap")
	p, err := w.Router.Start("tcpdump-"+name, "tcpdump", "-i", "any", "-n", "-U", "--immediate-mode", "-Z", "root", "-s", "1600", "-c", "100000", "-w", file)
	if err != nil {
		return nil, err
	}
	return p, Eventually(ctx, "tcpdump", func() error {
		if err := p.Running(); err != nil {
			return err
		}
		if !strings.Contains(Tail(p.Log, 5), "listening on") {
			return fmt.Errorf("tcpdump says: %s", Tail(p.Log, 5))
		}
		return nil
	})
}

// Silence keeps the router from telling what is too large for it.
func (w *World) Silence(ctx context.Context) error {
	return w.nft(ctx, `
table inet silence {
  chain out {
    type filter hook output priority filter
    icmp type destination-unreachable drop
    icmpv6 type packet-too-big drop
  }
}`)
}
