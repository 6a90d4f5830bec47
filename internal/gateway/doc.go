// Package gateway is the composition root: the only place where
// configuration, IKE, the tunnel and routing meet.
//
// Run turns a validated configuration into a running gateway and takes it down
// again: it opens the sockets and the TUN device, joins the engine of package
// ike to the data path of package tunnel, keeps kernel routes equal to what the
// connections want, and answers the control API. Each thing that the core
// reports becomes a log line, an event and a metric here and nowhere else.
//
// Concurrency: the engine reports from its owners' goroutines; what they touch
// here is guarded by short locks or goes through channels, and never blocks
// them.
package gateway
