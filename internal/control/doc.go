// Package control is the gateway's API for people and programs: HTTP and JSON
// on a unix socket, a stream of events, Prometheus metrics, and the client that
// the commands use.
//
// It owns the API's types and nothing of the gateway: a Backend answers its
// questions. Whoever may open the socket (mode 0600, its owner is the daemon's
// user) may do everything; nothing else authenticates. No secret ever enters
// its types.
//
// A Server's handlers run on many goroutines and call the Backend from there.
package control
