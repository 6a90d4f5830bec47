package gateway

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"

	"causeway/config"
	"causeway/esp"
	"causeway/tunnel/tun"
	"causeway/tunnel/udp"
)

// Feature is something of the kernel or processor that the gateway can use.
type Feature struct{ Name, State string }

// Features probes this machine. Nothing is left open.
func Features() []Feature {
	return append([]Feature{
		{"udp_segment", socketOption(unix.UDP_SEGMENT)},
		{"udp_gro", socketOption(unix.UDP_GRO)},
		{"bare_esp", rawSockets()},
		{"spi_steering", steering()},
		{"aes", instructions()},
		{"aes_gcm", esp.NativeName()},
	}, tunStates()...)
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

// rawSockets is whether ESP without UDP can be received, over either IP.
func rawSockets() string {
	if err := rawSocket(unix.AF_INET); err != nil {
		return "no: run as root or with CAP_NET_RAW: " + err.Error()
	}
	if err := rawSocket(unix.AF_INET6); err != nil {
		return "over IPv4 only: " + err.Error()
	}
	return "yes"
}

func rawSocket(family int) error {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ESP)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func steering() string {
	if err := udp.ProbeSteering(); err != nil {
		return "not in this kernel: " + err.Error()
	}
	return "yes"
}

// tunStates are the features of the TUN driver and what follows for the data
// path.
func tunStates() []Feature {
	o, err := tun.Probe()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Feature{{"tun", "no /dev/net/tun: in a container, pass --device /dev/net/tun"}}
	case errors.Is(err, fs.ErrPermission):
		return []Feature{{"tun", "not allowed to open /dev/net/tun: run as root"}}
	case err != nil:
		return []Feature{{"tun", err.Error()}}
	}
	dataPath := config.DataPathPortable
	if o.TSO {
		dataPath = config.DataPathNative
	}
	return []Feature{
		{"tun", "yes"}, {"tso", yesNo(o.TSO)}, {"uso", yesNo(o.USO)}, {"tun_steering", tunSteering()},
		{"data_path", string(dataPath)},
	}
}

func tunSteering() string {
	if err := tun.ProbeSteering(); err != nil {
		return "no: " + err.Error()
	}
	return "yes"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
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
