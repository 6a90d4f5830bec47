// Package routing says which connection an inner packet belongs to: the one
// whose site has the longest prefix of the packet's destination, and among
// several with that prefix the usable one with the lowest metric.
//
// It installs no kernel routes (routing/kernel does) and knows no SA: whether a
// connection is usable is what its caller says.
//
// A Table is immutable. Its owner swaps it for another by an atomic.Pointer,
// and workers look up without a lock and without allocating.
package routing
