// Package cookie guards the responder before anyone is authenticated: stateless COOKIEs, limits on half-open IKE SAs,
// and a rate limit on answers (RFC 7296 §2.6, RFC 8019 §3 and §7).
//
// A Gate is asked about every IKE_SA_INIT request that belongs to no known IKE SA. It keeps no state for a request it
// does not accept, except a bounded table of how often each source was answered; what it counts expires by itself. It
// reads no messages, sends nothing and does no key exchange.
//
// A Gate is not safe for concurrent use: it belongs to the goroutine that accepts new peers. Time is an argument, and
// entropy is a reader, so that a recorded run gives the same cookies again.
package cookie
