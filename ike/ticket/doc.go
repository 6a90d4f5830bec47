// Package ticket makes and reads the tickets of IKEv2 session resumption by value
// (RFC 5723 §6.1): the state of an IKE SA, sealed under a key that only this
// process has and that it replaces every hour. Whoever holds a ticket cannot read
// or change it, so that the responder keeps nothing for those who may come back but
// the IDs of tickets that were used.
//
// It knows no exchange and no connection: package ikev2 says what is in a ticket
// and whether it still counts. A Mint is safe for concurrent use.
package ticket
