// Package world makes small networks out of Linux network namespaces: two
// sites, each a client behind a gateway, and a router between the gateways.
//
//	client A --- gateway A --- router --- gateway B --- client B
//	10.1.0.2     10.1.0.1 |             | 10.2.0.1      10.2.0.2
//	           192.0.2.2 -+- .1     .1 -+- 198.51.100.2
//
// AddSite adds sites at the router, each a gateway that is its own client.
//
// It starts processes in the namespaces, captures packets, drops or translates
// them in the router, and takes everything down however the program ends. It
// needs root, the commands ip and nft, and a kernel with veth and TUN.
// A World may be used by several goroutines.
package world
