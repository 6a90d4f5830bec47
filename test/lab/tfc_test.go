package lab

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestTFC has us send padding and dummies to strongSwan (RFC 4303 §2.6, §2.7): all
// of ESP that leaves us has one length, strongSwan cuts the padding off, and the
// dummies it drops, which its userspace ESP calls packets that it cannot parse.
func TestTFC(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	a.ESPKeys = []string{"tfc_padding: 65535", "tfc_dummies: 200"}
	ours := fmt.Sprintf("src host %s and udp port 4500 and udp[8:4] != 0", a.Local)
	// Trains are seen whole: what is no multiple of the one length has another in it.
	// One byte more is the keepalive that some kernels need behind a train.
	const length = 1472 // ESP of 1438 bytes
	short := s.sniff(s.Router, world.SiteA.Name, "short", 1, fmt.Sprintf("%s and (udp[4:2] - 8) %% %d > 1", ours, length))
	strange := s.sniff(s.ClientB, "eth0", "strange", 1, "ip and not icmp and not tcp")
	g, d := s.joined(a, b)
	const dummies = 300
	s.sniff(s.Router, world.SiteA.Name, "dummies", dummies, ours).found(s.patience)
	for _, network := range a.RemoteNetworks {
		for _, size := range []string{"0", "100", "1000", "1400", "4000"} {
			s.ping(s.ClientA, world.ClientIn(network), 3, "-s", size)
		}
	}
	// Before anything but a standstill may overflow strongSwan's socket.
	s.eventually("strongSwan to have all, and to drop what is a dummy", func() error {
		sent := s.status(g, link.Name).Children[0].PacketsOut // without the dummies
		log, err := os.ReadFile(d.Log())
		s.must(err)
		dropped := uint64(strings.Count(string(log), "parsing ESP payload failed"))
		received, overflow := s.swanUp(d, 1).Children[0].PacketsIn, s.socketDrops(s.GatewayB)
		if received+overflow < sent || dropped < dummies {
			return fmt.Errorf("we sent %d, strongSwan received %d and dropped %d; %d found its socket full", sent, received, dropped, overflow)
		}
		return nil
	})
	s.transferBoth(1 << 20)
	for what, n := range map[string]*sniffer{"of another length": short, "not ours at the client": strange} {
		if n.process.Running() != nil {
			t.Errorf("%s: %s", what, world.Tail(n.process.Log, 5))
		}
	}
	s.noDrops(g)
}

// socketDrops is how many datagrams sockets on port 4500 in a namespace had no room for.
func (s *scene) socketDrops(space *world.Namespace) (n uint64) {
	s.t.Helper()
	for _, file := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		text, err := space.Run(s.ctx, "cat", file)
		s.must(err)
		for line := range strings.Lines(text) {
			fields := strings.Fields(line) // sl local_address … drops
			if !strings.HasSuffix(fields[1], ":1194") {
				continue
			}
			drops, err := strconv.ParseUint(fields[len(fields)-1], 10, 64)
			s.must(err)
			n += drops
		}
	}
	return n
}

// TestMarks: the outer header has the DSCP and the ECN field of the packet inside,
// of either IP in either IP (RFC 4301 §5.1.2.1, RFC 6040 §4.1).
func TestMarks(t *testing.T) {
	t.Parallel()
	for _, six := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4 outside", true: "IPv6 outside"}[six], func(t *testing.T) {
			s := newScene(t)
			a, _ := link.Pair()
			filter, form := "udp port 4500 and udp[8:4] != 0 and ip[1] != 0", "tos %#x"
			if six {
				a = outer6(a)
				filter, form = "ip6 proto 17 and ip6[48:4] != 0 and ip6[0:2] & 0xff0 != 0", "class 0x%02x"
			}
			s.joined(a, a.Peer())
			outside := s.sniff(s.Router, world.SiteA.Name, "marks", 1000, fmt.Sprintf("src host %s and %s", a.Local, filter))
			var want []string
			mark := func(there netip.Addr, marks ...int) {
				for _, m := range marks {
					s.ping(s.ClientA, there, 1, "-Q", fmt.Sprint(m))
					want = append(want, fmt.Sprintf(form, m))
				}
			}
			// EF, AF11 and CS2 with each value of the ECN field, and CE alone.
			mark(world.ClientIn(a.RemoteNetworks[0]), 0xb8, 0x2a, 0x41, 0x03)
			mark(world.ClientIn(a.RemoteNetworks[1]), 0x28, 0xba, 0xb9, 0x43)
			s.eventually("every mark outside", func() error {
				text := world.Tail(outside.process.Log, 100)
				for _, w := range want {
					if !strings.Contains(text, w+",") && !strings.Contains(text, w+" ") {
						return fmt.Errorf("%s is not in\n%s", w, text)
					}
				}
				return nil
			})
		})
	}
}
