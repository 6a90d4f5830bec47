// Package relay forwards UDP datagrams between two hosts and does to them what
// a bad path does: it loses, delays, reorders, repeats and damages them, and
// like a NAT that forgets it changes the source port that the far host sees.
//
// The near host sends to the relay as if it were the far host, and is found by
// what it sends, as by a NAT. What passes can be watched and other datagrams
// put in between. A Relay forwards payloads: TTL, TOS and ECN are not carried,
// nor are ICMP errors, and every datagram leaves by itself. The same seed draws
// the same fates in the order in which datagrams arrive. A Relay may be used by
// several goroutines.
package relay
