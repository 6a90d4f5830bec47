package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"

	"causeway/esp"
)

// Feature is something of the kernel or processor that the gateway can use.
type Feature struct{ Name, State string }

// Features probes this machine. Nothing is left open.
func Features() []Feature {
	return []Feature{
		{"udp_segment", socketOption(unix.UDP_SEGMENT)},
		{"udp_gro", socketOption(unix.UDP_GRO)},
		{"tun", tunState()},
		{"aes", instructions()},
		{"aes_gcm", esp.NativeName()},
		{"data_path", dataPathName},
	}
}

func socketOption(option int) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "unknown: " + err.Error()
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_UDP, option, 1); err != nil {
		return "not in this kernel: " + err.Error()
	}
	return "yes"
}

func tunState() string {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no /dev/net/tun: in a container, pass --device /dev/net/tun"
	case errors.Is(err, fs.ErrPermission):
		return "not allowed to open /dev/net/tun: run as root"
	case err != nil:
		return err.Error()
	}
	defer f.Close()
	features, err := unix.IoctlGetUint32(int(f.Fd()), unix.TUNGETFEATURES)
	if err != nil {
		return fmt.Sprintf("yes, features unknown: %v", err)
	}
	if features&unix.IFF_VNET_HDR == 0 {
		return "yes, without offloads"
	}
	return "yes, with virtio-net headers"
}

func instructions() string {
	switch {
	case cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ:
		return "AES-NI, PCLMULQDQ"
	case cpu.ARM64.HasAES && cpu.ARM64.HasPMULL:
		return "ARMv8 AES, PMULL"
	}
	return "software only: slow"
}
