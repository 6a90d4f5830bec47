// Package auth proves and checks who a peer is: identities (RFC 7296 §3.5), the
// AUTH payload of shared keys (RFC 7296 §2.15), and signatures by certificates
// and raw public keys (RFC 7427, RFC 4754, RFC 8420, RFC 7670).
//
// Credentials are what this side signs with, Trust is what a peer is held
// against; both serve IKEv2 and, by hash signatures, IKEv1. What AUTH covers
// comes from package keymat, payload bodies from package wire; the time is an
// argument. Private keys are behind crypto.Signer. Signing and checking cost
// milliseconds and are work for a job.
//
// What a peer sends is bounded before it is looked at: the number and size of
// certificates, the length of a chain, the size of keys. Failures are Problems,
// which explain themselves to this end; the peer learns nothing of them.
//
// Secrets are a type that prints as nothing. All values are immutable, apart from
// Secret.Erase, and so safe for concurrent use.
package auth
