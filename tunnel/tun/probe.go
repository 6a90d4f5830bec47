package tun

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Probe tells what a native device could offload on this machine, without
// making one. The kernel does not say whether it does USO before there is an
// interface: that is by its version, 6.2 or later.
func Probe() (Offloads, error) {
	fd, err := openClone()
	if err != nil {
		return Offloads{}, err
	}
	defer unix.Close(fd)
	if err := superpackets(fd); err != nil {
		return Offloads{Refused: err}, nil
	}
	return Offloads{TSO: true, USO: kernelAtLeast(6, 2)}, nil
}

// superpackets is an error if the kernel has no virtio-net headers for TUN.
func superpackets(fd int) error {
	const what = "virtio-net headers (IFF_VNET_HDR)"
	features, err := unix.IoctlGetUint32(fd, unix.TUNGETFEATURES)
	switch {
	case err != nil:
		return lacks(what, err)
	case features&unix.IFF_VNET_HDR == 0:
		return lacks(what, unix.EOPNOTSUPP)
	}
	return nil
}

func kernelAtLeast(major, minor int) bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	var a, b int
	if n, _ := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}
