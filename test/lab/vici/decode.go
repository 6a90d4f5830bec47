package vici

import "encoding/binary"

// decode reads a whole message.
func decode(b []byte) (Section, error) {
	d := decoder{rest: b}
	s := d.section(false)
	if d.failed || len(d.rest) > 0 {
		return nil, errMalformed
	}
	return s, nil
}

// decoder reads elements; after a failure every read gives zero values.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) section(nested bool) Section {
	s := Section{}
	for len(d.rest) > 0 && !d.failed {
		switch d.octet() {
		case keyValue:
			key := d.key()
			s[key] = d.value()
		case listStart:
			key := d.key()
			s[key] = d.list()
		case sectionStart:
			key := d.key()
			s[key] = d.section(true)
		case sectionEnd:
			d.failed = d.failed || !nested
			return s
		default:
			d.failed = true
		}
	}
	d.failed = d.failed || nested
	return s
}

func (d *decoder) list() []string {
	var list []string
	for !d.failed {
		switch d.octet() {
		case listItem:
			list = append(list, d.value())
		case listEnd:
			return list
		default:
			d.failed = true
		}
	}
	return nil
}

func (d *decoder) key() string { return string(d.take(int(d.octet()))) }

func (d *decoder) value() string {
	n := d.take(2)
	if d.failed {
		return ""
	}
	return string(d.take(int(binary.BigEndian.Uint16(n))))
}

func (d *decoder) octet() byte {
	if b := d.take(1); !d.failed {
		return b[0]
	}
	return 0
}

func (d *decoder) take(n int) []byte {
	if d.failed || n > len(d.rest) {
		d.failed = true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}
