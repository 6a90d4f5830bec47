// Package ikev2 is the IKEv2 protocol machine (RFC 7296), without I/O.
//
// A Machine is one peer of one connection: all its IKE SAs, old and new during
// a rekey, and their Child SAs. It is told what happened (Step with an
// sa.Event and the time) and answers with what is to be done (sa.Action). An
// Acceptor is the half before a connection is known: it answers IKE_SA_INIT
// and hands the SA over when the first IKE_AUTH tells who the peer is.
//
// Inside are three layers. window.go moves opaque messages: message IDs,
// retransmission, the response cache. rules.go holds tables: which payloads an
// exchange needs, which transition a state allows. Each exchange is one file
// with both of its roles: init, auth, child_create, child_rekey, ike_rekey,
// informational. errors.go alone decides what an error does (RFC 7296 §2.21).
//
// There is no clock, goroutine, socket, logger or global randomness here: the
// same events give the same bytes. Entropy is drawn from Config.Random in the
// order of the actions it is for. Diffie-Hellman and signatures run elsewhere as
// sa.StartWork. Package sansio has what is the same in IKEv1.
//
// Not here: EAP, AH.
//
// A Machine and an Acceptor are each owned by one goroutine; neither locks.
package ikev2
