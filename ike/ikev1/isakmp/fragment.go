package isakmp

import "encoding/binary"

// The fragment of a message, as Cisco and Microsoft send it ([MS-IKEE]
// §2.2.3.1): it stands alone behind an ISAKMP header that is like that of the
// whole message but for its flags.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|          Fragment ID          |    Number     |     Flags     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~            a part of the message, header included             ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

const fragmentLast = 1

// Fragment is one part of a message. Numbers begin with 1.
type Fragment struct {
	ID     uint16
	Number uint8
	Last   bool
	Data   []byte
}

// Type returns PayloadFragment.
func (*Fragment) Type() PayloadType { return PayloadFragment }

func parseFragment(r *reader) (*Fragment, error) {
	p := &Fragment{ID: r.uint16("fragment ID"), Number: r.uint8("fragment number")}
	p.Last = r.uint8("fragment flags")&fragmentLast != 0
	p.Data = r.rest()
	if r.err == nil && (p.Number == 0 || len(p.Data) == 0) {
		r.fail("an empty fragment, or number 0")
	}
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *Fragment) AppendBody(dst []byte) ([]byte, error) {
	if p.Number == 0 || len(p.Data) == 0 {
		return nil, encodeError(PayloadFragment, "an empty fragment, or number 0")
	}
	dst = binary.BigEndian.AppendUint16(dst, p.ID)
	dst = append(dst, p.Number, 0)
	if p.Last {
		dst[len(dst)-1] = fragmentLast
	}
	return append(dst, p.Data...), nil
}
