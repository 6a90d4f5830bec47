package lab

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"causeway/test/lab/world"
)

// greMTU leaves room for GRE, ESP and UDP.
const greMTU = "1400"

// gre makes a GRE tunnel (RFC 2784) between a namespace and the other end's outer
// address, with a device gre1: in the program itself, since not every kernel has it.
// What it sends is IP protocol 47 of the namespace's host, as a kernel's would be.
func (s *scene) gre(space *world.Namespace, local, remote, here netip.Addr) {
	s.t.Helper()
	var device *os.File
	var outer net.PacketConn
	s.must(space.Do(func() (err error) {
		if device, err = openTUN("gre1"); err == nil {
			outer, err = net.ListenPacket("ip4:47", local.String())
		}
		return err
	}))
	s.t.Cleanup(func() {
		device.Close()
		outer.Close()
	})
	s.must(space.Shell(s.ctx, "ip addr add "+here.String()+"/30 dev gre1\nip link set gre1 up mtu "+greMTU))
	go func() {
		packet := make([]byte, 4+1500)
		packet[2] = 8 // EtherType of IPv4
		for {
			n, err := device.Read(packet[4:])
			if err != nil {
				return
			}
			// What cannot be sent is lost, as with any tunnel.
			_, _ = outer.WriteTo(packet[:4+n], &net.IPAddr{IP: remote.AsSlice()})
		}
	}()
	go func() {
		packet := make([]byte, 65536)
		for {
			n, _, err := outer.ReadFrom(packet)
			if err != nil {
				return
			}
			if n > 4 && packet[0] == 0 && packet[2] == 8 && packet[3] == 0 {
				_, _ = device.Write(packet[4:n]) // the kernel refuses what is no packet
			}
		}
	}()
}

// openTUN makes a TUN device, which goes with the file.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}
