// Package transform maps the transform IDs that IKEv2 negotiates (RFC 7296
// §3.3, IANA "Internet Key Exchange Version 2 Parameters") to primitives, and
// proposals to and from the keywords that people configure.
//
// It implements proposal matching (RFC 7296 §2.7), the pseudorandom functions
// (RFC 4868), the Diffie-Hellman groups (RFC 3526, RFC 5903, RFC 8031) with the
// checks of RFC 6989, and the protection of the Encrypted payload (RFC 7296
// §3.14, RFC 5282, RFC 7634). No other package knows a transform ID. It neither encodes
// payloads nor keeps the state of a negotiation, and it protects no ESP.
//
// Proposals, suites, PRFs and groups are immutable and safe for concurrent
// use. A PrivateKey and a Protector belong to one goroutine at a time. All
// randomness is drawn from the reader that a caller passes, always in the same
// order, so a seeded reader gives the same bytes again.
package transform
