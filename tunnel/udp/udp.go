// Package udp is the outer side of the gateway: the sockets on the IKE port and
// the NAT port (RFC 7296 §2.23) that carry IKE, and ESP in UDP (RFC 3948), and
// those for ESP without UDP (RFC 4303 §2).
//
// It moves datagrams in batches with UDP_SEGMENT and UDP_GRO and without
// allocating, and knows neither IKE nor ESP beyond telling them apart. UDP
// checksums stay on although RFC 3948 §2.1 would leave them out: Linux refuses
// UDP_SEGMENT without them and does not merge (UDP_GRO) what lacks them.
//
// A Conns and its Receivers are safe for concurrent use; a Batch and a Sender
// belong to one goroutine each.
package udp

import "net/netip"

// Ports of RFC 7296 §2.23 and RFC 3948.
const (
	DefaultIKEPort = 500
	DefaultNATPort = 4500
)

// Config says which sockets to open.
type Config struct {
	// Addresses are the local outer addresses. None means all of them, of
	// both families: the address a datagram was sent to is known all the
	// same, and answers leave from it.
	Addresses []netip.Addr
	// IKEPort and NATPort are 500 and 4500 when zero.
	IKEPort, NATPort uint16
	// BareESP makes it an error if there can be no sockets for ESP without UDP
	// (IP protocol 50). They are opened in any case, if the process may.
	BareESP bool
	// ReceiveBuffer and SendBuffer are the kernel's buffer sizes in bytes;
	// 16 MiB and 8 MiB when zero. Without CAP_NET_ADMIN the kernel caps them at
	// net.core.rmem_max and wmem_max.
	ReceiveBuffer, SendBuffer int
	// Workers is how many data workers get sockets of their own on the NAT port;
	// 0 is none, and one socket for everything.
	Workers int
	// NoSteering is the switch that does without them.
	NoSteering bool
	// NoGSO and NoGRO are the switches that turn UDP_SEGMENT and UDP_GRO off
	// where the kernel or a driver gets them wrong.
	NoGSO, NoGRO bool
	// LookupMark (SO_MARK) is on sockets that ask the kernel for its way to a peer,
	// for rules that lead other packets to the peer elsewhere. 0: none.
	LookupMark uint32
}
