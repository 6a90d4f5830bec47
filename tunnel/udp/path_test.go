package udp

import (
	"bytes"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"causeway/test/netdev"
)

// pair is two Conns in network namespaces of their own, joined by a veth pair
// with an MTU of 1500.
type pair struct {
	near, far         *Conns
	nearAddr, farAddr netip.AddrPort // on the NAT port
	maxPayload        int
}

// joined makes a pair; the test's thread stays in the near namespace and ends
// with the test.
func joined(t *testing.T, near, far netip.Prefix) *pair {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread()
	farNS, err := netns.New()
	must(err)
	defer farNS.Close()
	up := func(name string, address netip.Prefix) {
		t.Helper()
		must(netdev.Up(name, address.String()))
	}
	nearNS, err := netns.New()
	must(err)
	defer nearNS.Close()
	must(netlink.LinkAdd(&netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: "cudp-near", MTU: 1500},
		PeerName:      "cudp-far",
		PeerNamespace: netlink.NsFd(farNS),
	}))
	up("cudp-near", near)
	must(netdev.Up("lo"))
	p := &pair{maxPayload: 1500 - 20 - 8}
	if near.Addr().Is6() {
		p.maxPayload -= 20
	}
	p.near = listen(t, Config{Addresses: []netip.Addr{near.Addr()}})
	must(netns.Set(farNS))
	up("cudp-far", far)
	p.far = listen(t, Config{})
	must(netns.Set(nearNS))
	_, port := p.near.ports()
	p.nearAddr = netip.AddrPortFrom(near.Addr(), port)
	_, port = p.far.ports()
	p.farAddr = netip.AddrPortFrom(far.Addr(), port)
	return p
}

func (p *pair) run(n, size int) []Run {
	return []Run{{Payload: slab(n), SegmentSize: size, Local: p.nearAddr, Remote: p.farAddr}}
}

var families = map[string][2]netip.Prefix{
	"IPv4": {netip.MustParsePrefix("198.51.100.1/24"), netip.MustParsePrefix("198.51.100.2/24")},
	"IPv6": {netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("2001:db8::2/64")},
}

// A whole train crosses a veth as one message.
func TestTrainAcrossVeth(t *testing.T) {
	for name, f := range families {
		t.Run(name, func(t *testing.T) {
			p := joined(t, f[0], f[1])
			runs := p.run(44*p.maxPayload, p.maxPayload)
			if err := p.near.NewSender(0).Send(runs); err != nil || runs[0].Result != Sent {
				t.Fatal(err, runs[0].Result)
			}
			got, messages := collect(t, receiver(t, p.far, p.farAddr.Addr(), true), 44)
			sameDatagrams(t, split(runs[0].Payload, p.maxPayload), got)
			if len(messages) != 1 {
				t.Errorf("came in %d messages", len(messages))
			}
			if m := messages[0]; m.Local != p.farAddr || m.Remote != p.nearAddr {
				t.Errorf("from %v to %v", m.Remote, m.Local)
			}
		})
	}
}

// What may be cut crosses in fragments, and what may not is refused before and after.
func TestMayFragment(t *testing.T) {
	for name, f := range families {
		t.Run(name, func(t *testing.T) {
			p := joined(t, f[0], f[1])
			large := func(may bool) Run {
				r := p.run(p.maxPayload+200, 0)[0]
				r.MayFragment = may
				return r
			}
			runs := []Run{large(false), large(true), large(false)}
			if err := p.near.NewSender(0).Send(runs); err != nil {
				t.Fatal(err)
			}
			if runs[0].Result != TooBig || runs[1].Result != Sent || runs[2].Result != TooBig {
				t.Errorf("results %v, %v, %v", runs[0].Result, runs[1].Result, runs[2].Result)
			}
			got, _ := collect(t, receiver(t, p.far, p.farAddr.Addr(), true), 1)
			sameDatagrams(t, [][]byte{runs[1].Payload}, got)
		})
	}
}

// ESP above the path MTU is refused and said to be; IKE goes out in fragments;
// the one does not change the other.
func TestPathMTU(t *testing.T) {
	for name, f := range families {
		t.Run(name, func(t *testing.T) {
			p := joined(t, f[0], f[1])
			r := receiver(t, p.far, p.farAddr.Addr(), true)
			s := p.near.NewSender(0)
			tooBig := func() {
				t.Helper()
				before := p.near.Stats()
				for _, n := range []int{1, 10} {
					runs := append(p.run(n*(p.maxPayload+1), p.maxPayload+1), p.run(p.maxPayload, 0)...)
					if err := s.Send(runs); err != nil {
						t.Fatal(err)
					}
					if runs[0].Result != TooBig || runs[0].Lost != n || runs[1].Result != Sent || runs[1].Lost != 0 {
						t.Errorf("%d too large: results %v, %v, lost %d, %d", n, runs[0].Result, runs[1].Result, runs[0].Lost, runs[1].Lost)
					}
					collect(t, r, 1)
				}
				after := p.near.Stats()
				if after.TooBig != before.TooBig+1+10 || after.Sent != before.Sent+2 {
					t.Errorf("before %+v\nafter %+v", before, after)
				}
			}
			tooBig()
			message := slab(4000)
			if err := p.near.SendIKE(message, p.nearAddr, p.farAddr); err != nil {
				t.Fatal(err)
			}
			if got, _ := collect(t, r, 1); !bytes.Equal(got[0][MarkerSize:], message) {
				t.Error("the fragmented IKE message changed")
			}
			tooBig()
			if f := p.near.Features(); !f.GSO {
				t.Error("UDP_SEGMENT was given up")
			}
		})
	}
}

// A path that goes away costs datagrams, not the socket, and each is counted.
func TestUnreachable(t *testing.T) {
	p := joined(t, families["IPv4"][0], families["IPv4"][1])
	s := p.near.NewSender(0)
	runs := p.run(10*1000, 1000)
	runs[0].Remote = netip.MustParseAddrPort("203.0.113.1:4500")
	if err := s.Send(runs); err != nil || runs[0].Result != Dropped || runs[0].Lost != 10 {
		t.Errorf("no route: %v, %v, %d lost", err, runs[0].Result, runs[0].Lost)
	}
	if _, err := p.near.LocalAddr(runs[0].Remote.Addr()); err != nil {
		t.Errorf("a configured address does as source without a route, too: %v", err)
	}
	link, err := netlink.LinkByName("cudp-near")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetDown(link); err != nil {
		t.Fatal(err)
	}
	runs = p.run(10*1000, 1000)
	if err := s.Send(runs); err != nil || runs[0].Result != Dropped || runs[0].Lost != 10 {
		t.Errorf("link down: %v, %v, %d lost", err, runs[0].Result, runs[0].Lost)
	}
	if n := p.near.Stats().Unreachable; n != 20 {
		t.Errorf("%d counted", n)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	runs = p.run(10*1000, 1000)
	if err := s.Send(runs); err != nil || runs[0].Result != Sent {
		t.Errorf("link up again: %v, %v", err, runs[0].Result)
	}
	collect(t, receiver(t, p.far, p.farAddr.Addr(), true), 10)
}

// A link that takes nothing any more makes Send wait once and then drop, not
// once for each message. What is lost of each run adds up to what is counted,
// though one was sent in part.
func TestFullSendBuffer(t *testing.T) {
	p := joined(t, families["IPv4"][0], families["IPv4"][1])
	link, err := netlink.LinkByName("cudp-near")
	if err != nil {
		t.Fatal(err)
	}
	err = netlink.QdiscAdd(&netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       10000, // bytes a second
		Buffer:     200e6, // of 64 ns: 128,000 bytes
		Limit:      1 << 30,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.near.sockets {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 1<<16); err != nil {
			t.Fatal(err)
		}
	}
	var runs []Run
	const long, count = 400, 6 // runs of some messages each, all of which one call takes
	for range count {
		runs = append(runs, p.run(long*p.maxPayload, p.maxPayload)...)
	}
	start := time.Now()
	if err := p.near.NewSender(0).Send(runs); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("Send took %v", d)
	}
	if last := runs[len(runs)-1].Result; last != Dropped {
		t.Errorf("the last run: %v", last)
	}
	lost := 0
	for i := range runs {
		lost += runs[i].Lost
	}
	if s := p.near.Stats(); s.NoBuffers == 0 || s.NoBuffers != uint64(lost) || s.NoBuffers+s.Sent != long*count {
		t.Errorf("%d lost: %+v", lost, s)
	}
	if n := runs[0].Lost; n == 0 || n == long {
		t.Errorf("%d of %d lost of the run that filled the buffer", n, long)
	}
}
