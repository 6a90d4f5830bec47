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
	features, err := unix.IoctlGetUint32(fd, unix.TUNGETFEATURES)
	if err != nil {
		return Offloads{}, fmt.Errorf("tun: cannot ask %s for its features: %w", clonePath, err)
	}
	superpackets := features&unix.IFF_VNET_HDR != 0
	return Offloads{TSO: superpackets, USO: superpackets && kernelAtLeast(6, 2)}, nil
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
