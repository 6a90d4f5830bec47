package sansio

import (
	"fmt"
	"net/netip"

	"causeway/ike/sa"
)

// MaxUnproven bounds the peers of one connection whose proofs wait to be checked: anyone
// who gets as far as to show one makes one.
const MaxUnproven = 64

// Displaced is which of the peers that wait, the oldest first, has to go where they are
// too many, or -1: that of the number own, or the newest of the source that has the most, if
// own is of one that has fewer. So nobody is shut out by who comes again and again from
// fewer addresses than there is room for.
func Displaced(from []netip.Addr, own int) int {
	if len(from) <= MaxUnproven {
		return -1
	}
	of := map[netip.Prefix]int{}
	for _, a := range from {
		of[source(a)]++
	}
	least := of[source(from[own])]
	most, out := least, own
	for i, a := range from {
		if n := of[source(a)]; n > least && n >= most {
			most, out = n, i
		}
	}
	return out
}

// Crowded is why a peer was displaced.
func Crowded() *sa.Failure {
	return &sa.Failure{
		Reason:  sa.ReasonLocalRefused,
		Message: fmt.Sprintf("more than %d peers wait to be authenticated", MaxUnproven),
		Hint:    "the peer may try again; if many do that are not yours, let a firewall refuse their addresses",
	}
}

// source is what strangers are counted by: an IPv4 address, or an IPv6 /64.
func source(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap()
	if addr.Is4() {
		return netip.PrefixFrom(addr, 32)
	}
	return netip.PrefixFrom(addr, 64).Masked()
}
