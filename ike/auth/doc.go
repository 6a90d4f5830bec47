// Package auth proves and checks who a peer is: identities (RFC 7296 §3.5) and
// the AUTH payload of shared keys (RFC 7296 §2.15).
//
// It sees neither certificates nor messages: what AUTH covers comes from
// package keymat, payload bodies from package wire. Secrets are a type that
// prints as nothing. Identities and secrets are immutable, apart from
// Secret.Erase, and the functions are pure, so all of it is safe for concurrent
// use.
package auth
