// Package gateway builds and runs this project's own gateway for a test, and
// reads what it says of itself through its command line: the same way that its
// users go.
package gateway
