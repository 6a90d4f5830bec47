package tunnel

import "causeway/tunnel/tun"

// readStride is the distance of two packets in the read slab. It is not a
// multiple of 4096, so that the same offset of neighbours does not compete for
// the same cache set.
const readStride = tun.HeaderRoom + tun.MaxPacket + 1089

// batchSource reads a BatchDevice.
type batchSource struct {
	device  tun.BatchDevice
	bufs    [][]byte
	sizes   []int
	replies [1][]byte
}

func newBatchSource(device tun.BatchDevice) *batchSource {
	n := device.BatchSize()
	s := &batchSource{device: device, bufs: make([][]byte, n), sizes: make([]int, n)}
	slab := make([]byte, n*readStride)
	for i := range s.bufs {
		start := i * readStride
		end := start + tun.HeaderRoom + tun.MaxPacket
		s.bufs[i] = slab[start:end:end]
	}
	return s
}

// carry implements source; such a device always waits.
func (s *batchSource) carry(w *outboundWorker, _ bool) (some bool, err error) {
	n, err := s.device.Read(s.bufs, s.sizes, tun.HeaderRoom)
	if err != nil {
		return false, readError(err)
	}
	w.begin()
	for i := range n {
		w.one(s.bufs[i][tun.HeaderRoom : tun.HeaderRoom+s.sizes[i]])
	}
	return n > 0, w.end()
}

// write implements source. An error concerns this one packet, which its
// receiver can do without.
func (s *batchSource) write(b []byte) {
	s.replies[0] = b
	_, _ = s.device.Write(s.replies[:], tun.HeaderRoom)
}
