package udp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// bare is the Receiver of ESP without UDP on addr's family.
func bare(t testing.TB, c *Conns, addr netip.Addr) *Receiver {
	t.Helper()
	for _, r := range c.Receivers() {
		if r.Bare() && r.Local().Addr().Is4() == addr.Is4() {
			if err := r.SetTimeout(30 * time.Second); err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
	t.Fatalf("no socket for ESP to %v", addr)
	return nil
}

// espOf is n bytes that begin with an SPI.
func espOf(spi uint32, n int) []byte {
	b := slab(n)
	binary.BigEndian.PutUint32(b, spi)
	return b
}

// ESP without UDP: packets of every size leave together and arrive one by one,
// with their addresses and ECN; what exceeds the path is refused.
func TestBareESP(t *testing.T) {
	for name, f := range families {
		t.Run(name, func(t *testing.T) {
			p := joined(t, f[0], f[1])
			local, remote := netip.AddrPortFrom(f[0].Addr(), 0), netip.AddrPortFrom(f[1].Addr(), 0)
			largest := p.maxPayload + 8 // no UDP header
			first := append(espOf(256, 1000), espOf(1<<31, 1000)...)
			runs := []Run{
				{Payload: first, SegmentSize: 1000, Local: local, Remote: remote, TOS: 0xb8 | 2},
				{Payload: espOf(300, leastESP), Local: local, Remote: remote, TOS: 1},
				{Payload: espOf(301, largest), Local: local, Remote: remote},
				{Payload: espOf(302, largest+1), Local: local, Remote: remote},
				{Payload: espOf(303, 40), Local: local, Remote: remote, TOS: 3},
			}
			if err := p.near.NewSender(0).Send(runs); err != nil {
				t.Fatal(err)
			}
			for i, want := range []Result{Sent, Sent, Sent, TooBig, Sent} {
				if runs[i].Result != want {
					t.Errorf("run %d: result %v, want %v", i, runs[i].Result, want)
				}
			}
			got, messages := collect(t, bare(t, p.far, remote.Addr()), 5)
			sameDatagrams(t, [][]byte{first[:1000], first[1000:], runs[1].Payload, runs[2].Payload, runs[4].Payload}, got)
			for i, ecn := range []uint8{2, 2, 1, 0, 3} {
				m := &messages[i]
				if m.TOS&3 != ecn || m.Local != remote || m.Remote != local || !m.Bare || m.Encapsulated || m.Segments() != 1 {
					t.Errorf("packet %d: %+v", i, m)
				}
			}
			if s := p.near.Stats(); s.Sent != 5 || s.TooBig != 1 {
				t.Errorf("sender counts %+v", s)
			}
		})
	}
}

// What the network cut is whole again before it is looked at (RFC 4303 §3.4.1).
func TestBareESPInFragments(t *testing.T) {
	for name, f := range families {
		t.Run(name, func(t *testing.T) {
			p := joined(t, f[0], f[1])
			ownAddress(t, f[0].Addr())
			family, level, option, never := unix.AF_INET, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT
			if f[0].Addr().Is6() {
				family, level, option, never = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT
			}
			fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ESP)
			if err == nil {
				defer unix.Close(fd)
				err = unix.SetsockoptInt(fd, level, option, never)
			}
			large := espOf(300, 4000)
			if err == nil {
				err = unix.Sendto(fd, large, 0, nameOf(netip.AddrPortFrom(f[1].Addr(), 0)))
			}
			if err != nil {
				t.Fatal(err)
			}
			got, _ := collect(t, bare(t, p.far, f[1].Addr()), 1)
			sameDatagrams(t, [][]byte{large}, got)
		})
	}
}

// What cannot be ESP of anybody does not even wake the process.
func TestBareESPFilter(t *testing.T) {
	for name, f := range families {
		t.Run(name, func(t *testing.T) {
			p := joined(t, f[0], f[1])
			local, remote := netip.AddrPortFrom(f[0].Addr(), 0), netip.AddrPortFrom(f[1].Addr(), 0)
			var runs []Run
			for _, b := range [][]byte{
				espOf(0, 100), espOf(1, 100), espOf(255, 100), espOf(256, leastESP-1), {1, 2, 3}, espOf(256, 100),
			} {
				runs = append(runs, Run{Payload: b, Local: local, Remote: remote})
			}
			if err := p.near.NewSender(0).Send(runs); err != nil {
				t.Fatal(err)
			}
			got, _ := collect(t, bare(t, p.far, remote.Addr()), 1)
			sameDatagrams(t, [][]byte{runs[5].Payload}, got)
			if n := p.far.Stats().Received; n != 1 {
				t.Errorf("%d packets passed the filter", n)
			}
		})
	}
}

// An IPv4 packet that the network cut arrives whole, behind a header with
// options as well as without.
func TestCutIPHeader(t *testing.T) {
	b := slab(64)
	for words := byte(0); words < 16; words++ {
		b[0] = 0x40 | words
		if got, want := cutIPHeader(b), b[min(int(words)*4, 64):]; !bytes.Equal(got, want) {
			t.Errorf("header of %d words: %d bytes left, want %d", words, len(got), len(want))
		}
	}
	for _, short := range [][]byte{nil, {0x45}, slab(20)} {
		if len(short) > 0 {
			short[0] = 0x45
		}
		if got := cutIPHeader(short); got != nil {
			t.Errorf("%d bytes: %v", len(short), got)
		}
	}
}

// Without the right to it, ESP without UDP is missing where nobody asked for
// it, and an error where somebody did.
func TestBareESPNeedsARight(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving up CAP_NET_RAW needs root")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		withoutRaw(t)
		c := listen(t, Config{Addresses: []netip.Addr{v4}})
		if c.Features().BareESP {
			t.Error("claims to receive ESP without UDP")
		}
		_, err := Listen(Config{Addresses: []netip.Addr{v4}, IKEPort: 29998, NATPort: 29999, BareESP: true})
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("error %v", err)
		}
	}()
	<-done
	if c := listen(t, Config{Addresses: []netip.Addr{v4}}); !c.Features().BareESP {
		t.Error("does not receive ESP without UDP as root")
	}
}

// withoutRaw takes CAP_NET_RAW from this goroutine's thread, which ends with it.
func withoutRaw(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends, too
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&h, &data[0]); err != nil {
		t.Error(err)
		return
	}
	data[0].Effective &^= 1 << unix.CAP_NET_RAW
	if err := unix.Capset(&h, &data[0]); err != nil {
		t.Error(err)
	}
}
