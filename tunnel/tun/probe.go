package tun

import (
	"golang.org/x/sys/unix"

	"causeway/tunnel/linux"
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
	return Offloads{TSO: true, USO: linux.AtLeast(6, 2)}, nil
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
