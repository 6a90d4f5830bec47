package tunnel

import "causeway/tunnel/tun"

// readStride is the distance of two packets in the read slab. It is not a
// multiple of 4096, so that the same offset of neighbours does not compete for
// the same cache set.
const readStride = tun.HeaderRoom + tun.MaxPacket + 1089

// batchSource reads a BatchDevice.
type batchSource struct {
	batchReplies
	bufs  [][]byte
	sizes []int
}

func newBatchSource(device tun.BatchDevice) *batchSource {
	n := device.BatchSize()
	s := &batchSource{batchReplies: batchReplies{device: device}, bufs: make([][]byte, n), sizes: make([]int, n)}
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

// batchReplies is replies to a BatchDevice.
type batchReplies struct {
	device tun.BatchDevice
	reply  [1][]byte
}

func (s *batchReplies) write(b []byte) {
	s.reply[0] = b
	_, _ = s.device.Write(s.reply[:], tun.HeaderRoom)
}
