package tuntest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"causeway/tunnel/tun"
)

// Super is a tun.SuperDevice without a kernel.
type Super struct {
	queue
	offloads tun.Offloads
	merged   atomic.Int64
}

var _ tun.SuperDevice = (*Super)(nil)

// NewSuper makes a Super with every offload.
func NewSuper(name string, mtu int) *Super {
	d := &Super{offloads: tun.Offloads{TSO: true, USO: true}}
	d.init(name, mtu)
	return d
}

// WithOffloads sets which offloads it has. It takes effect for writers made
// later.
func (d *Super) WithOffloads(o tun.Offloads) *Super { d.offloads = o; return d }

// InjectSuper makes one superpacket the result of one Read.
func (d *Super) InjectSuper(o tun.Offload, b []byte) {
	d.inject([]item{{o, bytes.Clone(b)}})
}

// Merged is how many packets came as part of a superpacket so far.
func (d *Super) Merged() int { return int(d.merged.Load()) }

// Offloads implements tun.Device.
func (d *Super) Offloads() tun.Offloads { return d.offloads }

// NewReader implements tun.SuperDevice; every queue is the same.
func (d *Super) NewReader(int) tun.Reader { return d }

// NewWriter implements tun.SuperDevice.
func (d *Super) NewWriter(int) tun.Writer { return superWriter{d} }

// Read implements tun.Reader.
func (d *Super) Read(b []byte, wait bool) (int, tun.Offload, error) {
	err := d.await(wait)
	defer d.reading.Unlock()
	if err != nil || len(d.rest) == 0 {
		return 0, tun.Offload{}, err
	}
	p := d.rest[0]
	d.rest = d.rest[1:]
	return copy(b, p.b), p.o, nil
}

type superWriter struct{ d *Super }

// Write implements tun.Writer. It refuses what the kernel would refuse, and
// what would be wrong if the kernel took it.
func (w superWriter) Write(o tun.Offload, pieces [][]byte) error {
	d := w.d
	if err := d.failing(); err != nil {
		return err
	}
	if len(pieces) == 0 || len(pieces) > tun.MaxPieces || slices.ContainsFunc(pieces, func(b []byte) bool { return len(b) == 0 }) {
		return errors.New("tuntest: no pieces, too many or an empty one")
	}
	packets, err := Segments(o, slices.Concat(pieces...))
	if err != nil {
		return err
	}
	if len(packets) > 1 {
		d.merged.Add(int64(len(packets)))
	}
	for _, b := range packets {
		if err := d.deliver(b); err != nil {
			return os.ErrClosed
		}
	}
	return nil
}

// Segments is the packets that a superpacket stands for, computed as slowly and
// plainly as can be.
func Segments(o tun.Offload, b []byte) ([][]byte, error) {
	if len(b) > tun.MaxPacket {
		return nil, errors.New("tuntest: longer than a packet can be")
	}
	if !o.Partial {
		if o != (tun.Offload{}) {
			return nil, fmt.Errorf("tuntest: %+v without a checksum to complete", o)
		}
		return [][]byte{b}, nil
	}
	at := o.ChecksumStart + o.ChecksumOffset
	if at+2 > len(b) || o.ChecksumStart < 20 {
		return nil, fmt.Errorf("tuntest: no checksum at %d", at)
	}
	if got, want := binary.BigEndian.Uint16(b[at:]), add(pseudo(b, len(b)-o.ChecksumStart)); got != want {
		return nil, fmt.Errorf("tuntest: the partial checksum is %04x, want %04x", got, want)
	}
	if o.Kind == tun.Single {
		return [][]byte{segment(o, b, b[o.ChecksumStart:], 0, true)}, nil
	}
	if o.SegmentSize < 1 || o.HeaderLen <= at || o.HeaderLen >= len(b) {
		return nil, fmt.Errorf("tuntest: %+v contradicts itself", o)
	}
	if err := announced(o, b); err != nil {
		return nil, err
	}
	var packets [][]byte
	payload := b[o.HeaderLen:]
	for n := 0; n*o.SegmentSize < len(payload); n++ {
		end := min((n+1)*o.SegmentSize, len(payload))
		part := append(bytes.Clone(b[o.ChecksumStart:o.HeaderLen]), payload[n*o.SegmentSize:end]...)
		packets = append(packets, segment(o, b, part, n, end == len(payload)))
	}
	return packets, nil
}

// announced checks the lengths in the headers of a superpacket.
func announced(o tun.Offload, b []byte) error {
	length := int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 == 6 {
		length = 40 + int(binary.BigEndian.Uint16(b[4:]))
	} else if add(b[:b[0]&15*4]) != 0xffff {
		return errors.New("tuntest: wrong IPv4 header checksum")
	}
	if o.Kind == tun.UDP && int(binary.BigEndian.Uint16(b[o.ChecksumStart+4:])) != len(b)-o.ChecksumStart {
		length = -1
	}
	if length != len(b) {
		return errors.New("tuntest: the headers speak of another length")
	}
	return nil
}

// segment is packet number n of the superpacket b; upper is its TCP or UDP part.
func segment(o tun.Offload, b, upper []byte, n int, last bool) []byte {
	out := append(bytes.Clone(b[:o.ChecksumStart]), upper...)
	upper = out[o.ChecksumStart:]
	if out[0]>>4 == 4 {
		binary.BigEndian.PutUint16(out[2:], uint16(len(out)))
		binary.BigEndian.PutUint16(out[4:], binary.BigEndian.Uint16(b[4:])+uint16(n))
		out[10], out[11] = 0, 0
		binary.BigEndian.PutUint16(out[10:], ^add(out[:o.ChecksumStart]))
	} else {
		binary.BigEndian.PutUint16(out[4:], uint16(len(out)-40))
	}
	switch o.Kind {
	case tun.TCP4, tun.TCP6:
		binary.BigEndian.PutUint32(upper[4:], binary.BigEndian.Uint32(upper[4:])+uint32(n*o.SegmentSize))
		if n > 0 {
			upper[13] &^= 0x80 // CWR
		}
		if !last {
			upper[13] &^= 0x09 // PSH, FIN
		}
	case tun.UDP:
		binary.BigEndian.PutUint16(upper[4:], uint16(len(upper)))
	}
	upper[o.ChecksumOffset], upper[o.ChecksumOffset+1] = 0, 0
	field := ^add(append(pseudo(out, len(upper)), upper...))
	if field == 0 && o.ChecksumOffset == 6 {
		field = 0xffff
	}
	binary.BigEndian.PutUint16(upper[o.ChecksumOffset:], field)
	return out
}

// pseudo is the pseudo-header of a packet whose upper layer is its next header.
func pseudo(b []byte, length int) []byte {
	if b[0]>>4 == 4 {
		return append(bytes.Clone(b[12:20]), 0, b[9], byte(length>>8), byte(length))
	}
	return append(bytes.Clone(b[8:40]), 0, 0, byte(length>>8), byte(length), 0, 0, 0, b[6])
}

// add is the ones' complement sum of RFC 1071 §4.1.
func add(b []byte) uint16 {
	total := uint32(0)
	for i, c := range b {
		total += uint32(c) << (8 * (1 - i%2))
	}
	for total>>16 != 0 {
		total = total&0xffff + total>>16
	}
	return uint16(total)
}
