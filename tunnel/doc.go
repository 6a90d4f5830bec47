// Package tunnel is the data path: it carries inner IP packets between a TUN
// device and ESP in UDP datagrams (RFC 4303 tunnel mode, RFC 3948), for every
// connection of the gateway at once.
//
// It holds the SAD (RFC 4301 §4.4.2), chooses the connection and Child SA of
// an outbound packet, checks what comes out of a Child SA against its
// selectors (RFC 4301 §5.2), and does what a tunnel endpoint owes the two IP
// layers: DSCP and ECN (RFC 6040), path MTU, fragmentation before encryption,
// MSS clamping, ICMP errors, NAT keepalives. It does not negotiate, does not
// know IKE beyond telling it apart from ESP, does not install kernel routes,
// and does not decrement the inner TTL: that is done by the kernel that
// forwards to and from the TUN device (RFC 4301 §5.1.2.1).
//
// Concurrency: one goroutine per TUN queue runs both directions to completion,
// or one per direction where the device cannot be waited for together with
// sockets. What they read is immutable and swapped whole behind atomic
// pointers; the control methods of Tunnel may be called from any goroutine and
// are serialised by one mutex that no worker takes. A worker allocates nothing,
// and takes locks for a system call or a batch, not for a packet: of the queue or
// socket, and of the replay window. It waits for its device and sockets, and for its
// turn where several send or write what is one order (turns).
package tunnel
