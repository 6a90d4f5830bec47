// Package sansio is what the protocol machines of both IKE versions stand on:
// entropy that is drawn in a known order (Entropy), work that runs elsewhere
// (Desk, KeyExchange), the earliest of several times (Deadline), and a limit on
// what strangers can make a machine report (Throttle).
//
// Nothing here has a clock, a goroutine or a socket: times and results are
// arguments. Each value belongs to one machine and so to one goroutine, but for private
// keys: a job may compute with one while the machine gives it up (private).
package sansio
