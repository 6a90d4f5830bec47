package sa

import (
	"causeway/ike/auth"
	"causeway/ike/transform"
)

// IKEKeys are what protects the messages of one IKE SA (SK_e and SK_a of RFC
// 7296 §2.14), for whoever debugs with a packet capture. Nobody is told of them
// unless the gateway was started to tell.
type IKEKeys struct {
	SPIi, SPIr uint64
	Suite      transform.Suite
	// EncryptionI and IntegrityI are the initiator's. An AEAD's salt is at the
	// end of its key.
	EncryptionI, EncryptionR auth.Secret
	IntegrityI, IntegrityR   auth.Secret
}
