// Package translate rewrites the addresses of inner packets where the networks
// of two sites overlap: static one-to-one translation of prefixes, for each
// connection by itself, without state.
//
// A rule has two prefixes of one length. Inside is what the hosts of one side
// have, Outside what the other side knows them by; the bits behind the prefix
// stay as they are. An egress rule is about hosts of this side: on the way to
// the peer their source is written from inside to outside, on the way back the
// destination from outside to inside. An ingress rule is about hosts of the
// peer's side, seen from here: their source is written from inside to outside
// when it comes in, and the destination back when packets go to them.
//
// What follows from an address follows it, by incremental update (RFC 1624):
// the IPv4 header checksum; the checksums of TCP, UDP, UDP-Lite, DCCP, ICMPv6
// and Mobility, which cover a pseudo-header, also in the first fragment of
// several; and in an ICMP error the packet that it quotes, which went the other
// way, with its own checksums (RFC 5508 §4.2). A checksum that was wrong stays
// wrong, and UDP without a checksum stays without.
//
// An address that no rule has written, but that another address would have been
// written to, is ambiguous: such packets are refused.
package translate
