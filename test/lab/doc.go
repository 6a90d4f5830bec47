// Package lab holds whole gateways against a real strongSwan, and against each
// other, in networks of Linux network namespaces.
//
// Each test has a network of its own (package world) and may run beside others.
// It needs root, strongSwan and what else setup.sh installs; without, the tests
// are skipped and name what is missing, or fail where CAUSEWAY_LAB=require or
// CI=true is set. The logs and the capture of a failed test are kept.
package lab
