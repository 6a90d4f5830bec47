package tun

import "errors"

// Open creates the TUN interface name with the MTU, in the portable backend.
func Open(name string, mtu int) (Device, error) { return nil, errors.New("tun: under construction") }
