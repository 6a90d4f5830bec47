// Package simnet runs whole IKE engines on a lossy network in memory, under the
// virtual time of testing/synctest: a day of rekeys in seconds. Their data paths
// hold Child SAs and no keys are used; a ping every 20 ms passes where the SAs of
// both ends let it, and what the network lost is told from what the ends lost.
package simnet
