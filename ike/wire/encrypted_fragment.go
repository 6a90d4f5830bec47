package wire

import "encoding/binary"

// The Encrypted Fragment payload, SKF{...}, RFC 7383 §2.5.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Next Payload  |C|  RESERVED   |         Payload Length        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|        Fragment Number        |        Total Fragments        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     Initialization Vector                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                      Encrypted content                        ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                    Integrity Checksum Data                    ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// FragmentFieldsLen is the length of the two fields between the generic header and the IV.
const FragmentFieldsLen = 4

// EncryptedFragment is an SKF payload as it was received. It is always the last payload of its message.
type EncryptedFragment struct {
	First         PayloadType // the first payload inside the whole message; of use in fragment 1 only
	Number, Total uint16      // 1 <= Number <= Total
	Body          []byte      // IV up to and including ICV
	Offset        int         // of Body in the message: integrity covers message[:Offset] and Body, as received
}

// Type returns PayloadSKF.
func (*EncryptedFragment) Type() PayloadType { return PayloadSKF }

func parseEncryptedFragment(first PayloadType, r *reader) (*EncryptedFragment, error) {
	p := &EncryptedFragment{
		First:  first,
		Number: r.uint16("fragment number"),
		Total:  r.uint16("total fragments"),
	}
	if r.err == nil && (p.Number == 0 || p.Number > p.Total) {
		r.fail("fragment number is not within the total")
	}
	p.Offset = r.offset
	p.Body = r.rest()
	return p, r.finish()
}

// AppendBody appends the fragment numbers and the sealed bytes.
func (p *EncryptedFragment) AppendBody(dst []byte) ([]byte, error) {
	if p.Number == 0 || p.Number > p.Total {
		return nil, encodeError(PayloadSKF, "fragment %d of %d", p.Number, p.Total)
	}
	dst = binary.BigEndian.AppendUint16(dst, p.Number)
	dst = binary.BigEndian.AppendUint16(dst, p.Total)
	return append(dst, p.Body...), nil
}

// AppendEncryptedFragment is AppendEncrypted for fragment number of total: the caller appends exactly sealedLen bytes,
// which cover everything appended here. First counts in fragment 1 and is sent as zero in the others (RFC 7383 §2.5).
func AppendEncryptedFragment(dst []byte, h Header, first PayloadType, number, total uint16, sealedLen int) ([]byte, error) {
	if number == 0 || number > total {
		return nil, encodeError(PayloadSKF, "fragment %d of %d", number, total)
	}
	if sealedLen < 0 {
		return nil, encodeError(PayloadSKF, "body of %d bytes", sealedLen)
	}
	if number != 1 {
		first = PayloadNone
	}
	dst, err := appendSealedHeader(dst, h, PayloadSKF, FragmentFieldsLen+sealedLen)
	if err != nil {
		return nil, err
	}
	dst = appendGenericHeader(dst, first, FragmentFieldsLen+sealedLen)
	dst = binary.BigEndian.AppendUint16(dst, number)
	return binary.BigEndian.AppendUint16(dst, total), nil
}
