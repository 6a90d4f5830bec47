package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/roots"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// espSuites is every cipher of ESP, with every integrity algorithm that goes
// with it.
func espSuites() []string {
	list := []string{"chacha20poly1305"}
	for _, bits := range []string{"128", "192", "256"} {
		for _, icv := range []string{"16", "12", "8"} {
			list = append(list, "aes"+bits+"gcm"+icv, "aes"+bits+"ccm"+icv)
		}
		list = append(list, "aes"+bits+"gmac")
	}
	for _, cipher := range []string{"aes128", "aes192", "aes256", "3des", "null"} {
		for _, integrity := range []string{"sha1", "sha256", "sha384", "sha512"} {
			list = append(list, cipher+"-"+integrity)
		}
	}
	return list
}

// TestKernelESP is every suite of ESP, with 32-bit or with extended sequence
// numbers in turn (in the long form both with each), against the kernel's ESP.
// The kernel sends its UDP without checksums.
func TestKernelESP(t *testing.T) {
	s, guest := newMachineScene(t)
	cases := kernelCases()
	there := guest.In(roots.Trixie)
	s.addNetworks(func(script string) error {
		_, err := there.Run(s.ctx, "sh", "-e", "-c", script)
		return err
	}, cases)
	ours, theirs := bothEnds(cases)
	d := s.strongswanAt(there, strongswan.Kernel, theirs...)
	s.eachSuite(s.causeway(s.GatewayA, ours...), d, cases)
	s.noChecksums()
}

// bothEnds are the connections of the cases, which neither end begins by itself.
func bothEnds(cases []link.End) (ours, theirs []link.End) {
	for _, end := range cases {
		peer := end.Peer()
		peer.Start = false
		ours, theirs = append(ours, end), append(theirs, peer)
	}
	return ours, theirs
}

// suiteTransfer goes each way in each suite: enough for hundreds of packets of
// full length, and little for a machine that is emulated.
const suiteTransfer = 256 << 10

// eachSuite brings up the connection of each case, begun by either end in turn,
// and wants that packets pass and what they carry is right.
func (s *scene) eachSuite(g *gateway.Gateway, d *strongswan.Daemon, cases []link.End) {
	for i, end := range cases {
		s.sub(end.Name, func(s *scene) {
			if i%2 == 0 {
				s.command(g, 0, "up", end.Name)
			} else {
				s.must(d.InitiateChild(s.ctx, end.Name))
			}
			s.pingBoth(end)
			here, there := world.ClientIn(end.LocalNetworks[0]), world.ClientIn(end.RemoteNetworks[0])
			s.ping(s.ClientA, there, 2, "-I", here.String(), "-s", "1300")
			s.must(s.carry(passage{from: s.ClientA, to: s.ClientB, source: here, address: there, size: suiteTransfer}))
			s.must(s.carry(passage{from: s.ClientB, to: s.ClientA, source: there, address: here, size: suiteTransfer}))
			s.agreeCase(g, d, end)
			s.command(g, 0, "down", end.Name)
		})
	}
}

// kernelCases makes a connection for each case.
func kernelCases() []link.End {
	var list []link.End
	for i, suite := range espSuites() {
		for j, numbers := range []string{"esn", "noesn"} {
			if long || (i+j)%2 == 0 {
				list = append(list, suiteCase(suite+"-"+numbers, byte(100+2*i+j)))
			}
		}
	}
	return list
}

// suiteCase is a connection of its own for a suite, with identities and networks
// of its own.
func suiteCase(suite string, third byte) link.End {
	a, _ := link.Pair()
	a.Name = suite
	a.LocalIdentity, a.RemoteIdentity = a.Name+".a.example", a.Name+".b.example"
	a.LocalNetworks = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, third, 0}), 24)}
	a.RemoteNetworks = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 2, third, 0}), 24)}
	a.IKE, a.ESP = []string{"aes128-sha256-x25519"}, []string{suite}
	a.Start = false
	return a
}

// addNetworks gives clients and gateways addresses in the networks of the cases.
// AtB runs a script at gateway B.
func (s *scene) addNetworks(atB func(script string) error, cases []link.End) {
	s.t.Helper()
	add := func(address func(netip.Prefix) netip.Addr, networks func(link.End) []netip.Prefix, device string) string {
		var b strings.Builder
		b.WriteString("ip -batch - <<'.'\n")
		for _, end := range cases {
			for _, network := range networks(end) {
				fmt.Fprintf(&b, "addr add %s/%d dev %s\n", address(network), network.Bits(), device)
			}
		}
		return b.String() + ".\n"
	}
	local, remote := func(e link.End) []netip.Prefix { return e.LocalNetworks }, func(e link.End) []netip.Prefix { return e.RemoteNetworks }
	s.must(s.ClientA.Shell(s.ctx, add(world.ClientIn, local, "eth0")))
	s.must(s.GatewayA.Shell(s.ctx, add(world.GatewayIn, local, "lan")))
	s.must(s.ClientB.Shell(s.ctx, add(world.ClientIn, remote, "eth0")))
	s.must(atB(add(world.GatewayIn, remote, "lan")))
}

// agreeCase compares what both say of the Child SA of a case.
func (s *scene) agreeCase(g *gateway.Gateway, d *strongswan.Daemon, end link.End) {
	s.t.Helper()
	c := s.upNamed(g, end.Name)
	list, err := d.SAs(s.ctx)
	s.must(err)
	at := slices.IndexFunc(list, func(sa strongswan.IKE) bool { return sa.SPIi == c.IKE.SPIi && sa.SPIr == c.IKE.SPIr })
	if at < 0 || len(list[at].Children) != 1 || len(c.Children) != 1 {
		s.t.Fatalf("ours: %+v with %+v; strongSwan's: %+v", c.IKE, c.Children, list)
	}
	child := list[at].Children[0]
	if child.ESN {
		child.Suite += "-esn"
	}
	s.agreeChild(c.Children[0], child)
	if want := strings.TrimSuffix(end.ESP[0], "-noesn"); c.Children[0].Suite != want {
		s.t.Errorf("the suite is %s, want %s", c.Children[0].Suite, want)
	}
	for reason, n := range c.Drops {
		if n > 0 {
			s.t.Errorf("our gateway dropped %d packets: %s", n, reason)
		}
	}
}

// noChecksums sees in the capture that the kernel's ESP in UDP came without
// checksums (RFC 3948 §2.1): a receiver must not mind, and the kernel's GRO does.
func (s *scene) noChecksums() {
	s.t.Helper()
	s.eventually("a datagram without a checksum in the capture", func() error {
		// tcpdump is still writing: what it says of a packet cut short is no matter.
		out, _ := exec.CommandContext(s.ctx, "tcpdump", "-n", "-c", "1", "-r", filepath.Join(s.Dir, "router.pcap"),
			fmt.Sprintf("src host %s and udp src port 4500 and udp[6:2] = 0", world.SiteB.Outer4)).Output()
		if len(out) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
}
