package ikev2

import "causeway/ike/wire"

// Refuse answers the request that the peer has on its way with these payloads, and
// does nothing else about it.
func (m *Machine) Refuse(ex wire.ExchangeType, payloads ...wire.Payload) []byte {
	raw := m.ForgeAnswer(ex, payloads...)
	m.current().window.answered([][]byte{raw})
	return raw
}
