// Package isakmp reads and writes the messages of IKEv1: the ISAKMP header and
// payloads (RFC 2408) as the IPsec DOI fills them in (RFC 2407, RFC 2409), with
// those of NAT traversal (RFC 3947), Mode Config and the fragments that Cisco
// and Microsoft send.
//
// It runs on strangers' bytes. ParseMessage reads what is not encrypted; a
// message with the Encryption flag keeps its body as it came, and ParsePayloads
// reads the body once it is decrypted. Whatever is parsed can be appended again
// and gives the same values. Parsed slices share the memory of the datagram.
//
// Bounds: MaxMessageLen, MaxPayloads, MaxTransforms, MaxAttributes. Reserved
// octets must be zero (RFC 2408 §5.3), which also tells a wrong key early.
//
// Not here: encryption, exchanges, anything of IKEv2.
package isakmp
