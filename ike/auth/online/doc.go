// Package online asks the servers that certificates name whether they are
// revoked: OCSP responders (RFC 6960 appendix A.1) and places of revocation
// lists (RFC 5280 §4.2.1.13), both over HTTP. It implements auth.Fetcher.
//
// An answer is signed, so HTTP without TLS does; package auth judges it. This
// package bounds the time and size of each, asks a server once for however many
// connections, and keeps what it heard.
package online
