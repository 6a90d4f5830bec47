// Package ikev1 is the IKEv1 protocol machine (RFC 2407, 2408, 2409), without
// I/O: the sibling of ikev2 for gateways that speak nothing else.
//
// A Machine is one peer of one connection: its ISAKMP SAs, the Quick Modes that
// run under them, and its Child SAs, which outlive the ISAKMP SA that made them.
// An Acceptor is the half before a connection is known: it answers Main Mode
// until the message with the peer's identity, and hands the SA over to the
// connection whose key opens it.
//
// Each exchange is one file: main (with acceptor_main and adopt for the
// responder, and signatures for what proves an identity), aggressive (with
// acceptor_aggressive), transaction (with xauth and modeconfig for what is made of
// it), quick and quick_respond, informational, dpd. Messages of phase 2 are
// opened in one place, which checks their HASH before anything in them is acted
// on; fragments puts together what was cut.
// states.go holds the table of states, repeater.go the retransmission, which in
// IKEv1 is of the last message that was sent, to a limit. sansio has what is the
// same in ikev2.
//
// There is no clock, goroutine, socket, logger or global randomness here: the
// same events give the same bytes.
//
// Not here: AH, IPCOMP, the modes with public key encryption, the base mode,
// ISAKMP's other domains of interpretation.
//
// A Machine and an Acceptor are each owned by one goroutine; neither locks.
package ikev1
