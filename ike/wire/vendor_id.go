package wire

// The Vendor ID payload, RFC 7296 §3.12: the body is the vendor's constant.

// VendorID announces an implementation or an extension of one.
type VendorID struct {
	Data []byte
}

// Type returns PayloadVendorID.
func (*VendorID) Type() PayloadType { return PayloadVendorID }

func parseVendorID(r *reader) (*VendorID, error) {
	return &VendorID{Data: r.rest()}, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *VendorID) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Data...), nil }
