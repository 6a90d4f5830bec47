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

// Features probes this machine: what a gateway would use of it that turns nothing
// off. Every offload of the configuration is among them, by its name there. Nothing
// is left open.
func Features() []Feature {
	features := append(socketStates(), Feature{"bare_esp", rawSockets()}, Feature{"aes", instructions()},
		Feature{string(config.OffloadVAES), vectors()}, Feature{"aes_gcm", esp.NativeName()})
	return append(features, tunStates()...)
}

func socketStates() []Feature {
	f, err := udp.Probe()
	state := func(on bool, otherwise string) string {
		switch {
		case err != nil:
			return "unknown: " + err.Error()
		case !on:
			return "no: " + otherwise
		}
		return "yes"
	}
	return []Feature{
		{string(config.OffloadUDPSegment), state(f.GSO, "not in this kernel (Linux 4.18)")},
		{string(config.OffloadUDPGRO), state(f.GRO, "not in this kernel, or not to be trusted in it (Linux 5.12)")},
		{string(config.OffloadSPISteering), state(f.Steering, "not in this kernel (Linux 4.5)")},
	}
}

// vectors is whether AES-GCM is computed by vector instructions.
func vectors() string {
	if esp.NativeName() == portableCipher {
		return "no: this processor lacks VAES and VPCLMULQDQ, or AVX2"
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

// tunStates are the features of the TUN driver and what follows for the data
// path.
func tunStates() []Feature {
	o, err := tun.Probe()
	state, dataPath := "yes", config.DataPathPortable
	switch {
	case errors.Is(err, fs.ErrNotExist):
		state = "no /dev/net/tun: in a container, pass --device /dev/net/tun"
	case errors.Is(err, fs.ErrPermission):
		state = "not allowed to open /dev/net/tun: run as root"
	case err != nil:
		state = err.Error()
	}
	if err != nil {
		unknown := "unknown: " + state
		return []Feature{{"tun", state}, {string(config.OffloadTSO), unknown}, {string(config.OffloadUSO), unknown}, {string(config.OffloadTUNSteering), tunSteering()}}
	}
	if o.TSO {
		dataPath = config.DataPathNative
	}
	return []Feature{
		{"tun", state}, {string(config.OffloadTSO), yesNo(o.TSO)}, {string(config.OffloadUSO), yesNo(o.USO)}, {string(config.OffloadTUNSteering), tunSteering()},
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
	return "no: not in this kernel"
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
