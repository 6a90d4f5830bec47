// Package machine runs peers in an emulated machine with Debian's own kernel:
// real kernel ESP with every algorithm, ESN, raw ESP, and zero UDP checksums,
// which the kernel that the tests run on need not have.
//
// Boot starts one in about seven seconds, by software emulation: for
// correctness, not for speed. It holds every root of package roots. Plug puts it
// into a World in the place of gateway B: two TAP devices move into the router's
// and client B's namespaces, and the guest has gateway B's addresses. Unplug
// takes it out, so that one machine serves many tests, one after the other; each
// finds its roots and network as new.
//
// Inside, package agent is the init, and package order what is said to it.
package machine
