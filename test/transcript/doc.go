// Package transcript runs two machines of IKEv2 or IKEv1 against each other under a virtual
// clock and writes down what is said: golden conversations of the exchanges of
// RFC 7296 and 2409, their collisions and their losses.
//
// A World has two hosts, a and b, each with a machine for one connection and an
// acceptor, and a network between them whose datagrams move only when told to.
// The scripts under testdata say what happens and hold what must come of it;
// go test -update writes them anew. The same World serves property tests and
// the fuzzing of ike/ikev2. It has no sockets, goroutines or real time; it is
// not safe for concurrent use.
package transcript
