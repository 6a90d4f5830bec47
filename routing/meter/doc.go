// Package meter shares a line between connections: it decides which packet may
// leave at once, which waits, which is next and which is dropped.
//
// A Line is one direction of the gateway's outer interface, with a rate. Each
// connection is a Class on it, with a guarantee, a ceiling and a weight. As
// long as nothing waits, a batch of packets costs one atomic operation on the
// line's token store (and one more on the class's, if it has a ceiling). A
// batch that finds too few tokens is queued; from then on the line is
// contended, and what is next is decided in two steps:
//
//  1. A class that waits and has had less than its guarantee is served, the one
//     that is owed for the longest time first.
//  2. What is left is lent: among the classes below their ceilings, the one
//     with the smallest start tag is served (start-time fair queueing, Goyal,
//     Vin and Cheng 1996), so that each gets of it in proportion to its weight.
//     A class that was idle starts at the present virtual time and is served
//     next: a ping through an idle site does not wait for a turn of all others.
//
// Guarantees together must not exceed the rate. A queue is bounded in bytes and
// in time; CoDel (RFC 8289) keeps it short, by marks (RFC 3168) where the
// packet knows them and drops where not. Control traffic of a class, which the
// caller recognises, has a small allowance of its own that never waits, and
// beyond it goes before the other packets of its class.
//
// The package has no clock, no goroutine and no socket: the time is an
// argument, and the caller sends what Dequeue gives it. The same calls give the
// same results.
package meter
