// Package strongswan runs a real strongSwan as the peer of a test: its daemon
// charon with the userspace ESP of kernel-libipsec, in a namespace of its own,
// so that nothing is asked of the kernel but TUN and UDP.
//
// Of Debian 12's 5.9.8 the limits are: ESP in UDP only (it claims a NAT so that
// every peer does so), tunnel mode only, no ESN, a replay window of 128, a TUN
// MTU of 1400, and an address of the gateway inside each local selector.
package strongswan
