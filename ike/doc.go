// Package ike is the control plane: it runs the IKE machines.
//
// An Engine tells the versions of IKE apart before anything is parsed, routes
// datagrams by the local IKE SPI, gives each connection one owner goroutine that
// holds a machine of the connection's version, and gives peers that are not
// known yet one acceptor goroutine for each version. Machines decide; owners perform what they
// decide: send, work (Diffie-Hellman off the owner's goroutine), install and
// remove Child SAs through DataPath, report. Owners also keep wanted
// connections up, for ever, with a jittered back-off.
//
// Ownership: a machine is touched by its owner's goroutine only. A version's
// SPI table is the one structure that owners share; readers take a lock for one look-up.
// Inboxes are bounded: a full one drops the datagram, which IKE sends again.
//
// What it does not do: sockets, the tunnel device, routes (DataPath and
// Transport are given), configuration files, logs.
package ike
