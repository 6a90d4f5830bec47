// Package lab holds whole gateways against real peers, and against each other,
// in networks of Linux network namespaces.
//
// Each test has a network of its own (package world) and may run beside others: two for
// each processor, besides those that only wait ([scene.idly]).
// It needs root and what setup.sh test installs and makes; without, the tests
// are skipped and name what is missing, or fail where CAUSEWAY_LAB=require or
// CI=true is set. The logs and the capture of a failed test are kept, and the end
// of every log is part of the failure.
//
// # Peers
//
// A scene is a network with what runs in it. Whatever the peer, link.Pair gives
// both ends of a tunnel, and the peer's package turns its end into what the daemon
// reads:
//
//	s := newScene(t)
//	a, b := link.Pair()
//	g := s.causeway(s.GatewayA, a)
//
// strongSwan 5.9 of this machine's Debian 12, with its userspace ESP:
//
//	d := s.strongswan(s.GatewayB, b)
//
// strongSwan 6.0 of trixie, or 6.1 of forky (ML-KEM), in a namespace, with its
// userspace ESP:
//
//	d := s.strongswanAt(s.in(roots.Trixie, s.GatewayB), strongswan.Userspace, b)
//
// The same with the kernel's ESP needs the emulated machine (package machine),
// whose kernel has what this one may lack. It takes the place of gateway B:
//
//	s, guest := newMachineScene(t)
//	d := s.strongswanAt(guest.In(roots.Trixie), strongswan.Kernel, b)
//
// libreswan 5.2 runs there too (package libreswan). Its like are joined by
// [scene.joinForeign].
//
// The machine is booted once, in about seven seconds, and serves one test at a
// time, which finds it as new. To plug it in takes a second or two, so a test with
// many cases makes one scene and runs them in it one after the other, each with
// [scene.sub] and a gateway and a daemon of its own. The machine computes slowly
// (AES at 25 MB/s): it is for correctness.
//
// strongSwan 6.1 is forky's, which is not released yet and may one day not unpack. Its
// tests (TestKeyExchange, TestPerCoreStrongSwan, and one of the two cells of
// TestNewerStrongSwan) then end like any that lack something, and name the reason that
// roots/make.sh found. Everything else stands on Debian 12 and trixie.
package lab
