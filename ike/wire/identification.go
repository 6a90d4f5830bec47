package wire

// The Identification payloads IDi and IDr, RFC 7296 §3.5.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   ID Type     |                 RESERVED                      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                   Identification Data                         ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// Identification names a peer.
type Identification struct {
	Initiator bool // IDi, otherwise IDr
	IDType    IDType
	Reserved  [3]byte // zero when sent; kept on receipt because AUTH covers the whole body (RFC 7296 §2.15)
	Data      []byte
}

// Type returns PayloadIDi or PayloadIDr.
func (p *Identification) Type() PayloadType {
	if p.Initiator {
		return PayloadIDi
	}
	return PayloadIDr
}

func parseIdentification(r *reader) (*Identification, error) {
	p := &Identification{Initiator: r.payload == PayloadIDi, IDType: IDType(r.uint8("ID type"))}
	copy(p.Reserved[:], r.take(3, "reserved field"))
	p.Data = r.rest()
	return p, r.finish()
}

// AppendBody appends the payload without its generic header: RestOfInitIDPayload or RestOfRespIDPayload of
// RFC 7296 §2.15.
func (p *Identification) AppendBody(dst []byte) ([]byte, error) {
	dst = append(dst, byte(p.IDType))
	dst = append(dst, p.Reserved[:]...)
	return append(dst, p.Data...), nil
}
