// Package wire parses and lays out IKEv2 messages (RFC 7296 §3, and the Encrypted Fragment payload of RFC 7383 §2.5).
//
// It knows bytes, not meaning: it holds no state, does no cryptography, and leaves to its callers which payloads an
// exchange allows, what a proposal means and whether an unknown critical payload ends an exchange (UnknownCritical
// finds it). What it does not know (payloads, notify types, transforms, attributes, traffic selector types) it keeps
// byte for byte, so that a message can be shown, replayed and appended again.
//
// # Ownership
//
// Parsing never copies: every byte slice of a parsed Message points into the datagram. Whoever owns the datagram must
// leave it alone for as long as the message is used. Appending never keeps a reference to dst or to a payload.
//
// # Hostile input
//
// A message may come from anyone. Every length is checked before it is used, nothing is allocated by a count the
// sender wrote down rather than by bytes it sent, and every list has a bound (the Max constants). Reserved fields are
// ignored on receipt and zero when sent (RFC 7296 §2.5), except those of an ID payload, which AUTH covers.
//
// # Concurrency
//
// All functions are pure. A Message may be read by several goroutines as long as none writes to it.
package wire
