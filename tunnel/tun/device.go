// Package tun is the inner side of the gateway: the TUN device through which
// the kernel hands over packets for the remote networks and takes back those
// that came out of a tunnel.
//
// It moves IP packets and knows nothing of ESP, policies or routes; addresses
// and routes of the interface belong to routing/kernel. A Device may be read by
// one goroutine and written by any number at the same time.
package tun

// HeaderRoom is the smallest offset that Read and Write take. The bytes before
// the packet are the device's: the portable backend puts the virtio-net header
// (10 bytes; 16 keep the packet aligned) there, so that header and packet reach
// the kernel in one write.
const HeaderRoom = 16

// MaxPacket is the largest packet that crosses a Device, coalesced ones
// included. A read buffer needs HeaderRoom + MTU, a write buffer that Write may
// coalesce into needs a capacity of offset + MaxPacket.
const MaxPacket = 65535

// Device is one TUN interface.
type Device interface {
	// Read waits for packets and puts packet i at bufs[i][offset:], its
	// length in sizes[i]. It returns how many there are. Segmentation
	// offloads are undone: each packet fits the interface's MTU and carries
	// whole checksums. One call yields the segments of one superpacket, so
	// bufs and sizes should have BatchSize elements; what does not fit is
	// dropped. A return of 0, nil means that the kernel handed over something
	// that is no IP packet: call again. After Close, or when the interface was
	// deleted by somebody else, the error is os.ErrClosed; any other error
	// means that the device cannot go on.
	//
	// Read keeps neither bufs nor sizes.
	Read(bufs [][]byte, sizes []int, offset int) (int, error)

	// Write hands the packets bufs[i][offset:], none of them empty, to the
	// kernel in order and returns how many bytes it took, headers of the device
	// included.
	//
	// Neighbouring packets of one TCP or UDP flow are coalesced into the
	// buffer of the first when its capacity allows (see MaxPacket), after
	// their checksums were verified; the others are written one by one. Write
	// therefore owns the whole capacity of each buffer and the elements of
	// bufs until it returns, and leaves both changed: give a packet that is
	// followed by live data in the same array as a three-index slice
	// a[i:j:j], and set bufs up anew for each call.
	//
	// An error concerns single packets (the interface is down, a packet is
	// malformed), the rest was written; only os.ErrClosed is final.
	Write(bufs [][]byte, offset int) (int, error)

	// MTU is the interface's present MTU, as the kernel says.
	MTU() (int, error)

	// SetMTU changes the interface's MTU.
	SetMTU(mtu int) error

	// Name is the interface's name.
	Name() string

	// Queues is how many goroutines may Read at the same time.
	Queues() int

	// BatchSize is how many packets one Read yields at most and one Write
	// should carry. It never changes.
	BatchSize() int

	// Close deletes the interface and wakes a blocked Read. It may be called
	// more than once.
	Close() error
}
