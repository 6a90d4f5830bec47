// Package tun is the inner side of the gateway: the TUN device through which
// the kernel hands over packets for the remote networks and takes back those
// that came out of a tunnel.
//
// It moves IP packets and knows nothing of ESP, policies or routes; addresses
// and routes of the interface belong to routing/kernel. There are two backends:
// the native one (SuperDevice) passes on whole what the kernel coalesced, the
// portable one (BatchDevice) takes it apart.
//
// A device is safe for concurrent use; a Reader and a Writer belong to one
// goroutine each.
package tun

// HeaderRoom is the smallest offset that Read and Write of a BatchDevice take.
// The bytes before the packet are the device's: the portable backend puts the
// virtio-net header (10 bytes; 16 keep the packet aligned) there, so that
// header and packet reach the kernel in one write.
const HeaderRoom = 16

// MaxPacket is the largest packet that crosses a Device, coalesced ones
// included. A read buffer needs HeaderRoom + MTU, a write buffer that Write may
// coalesce into needs a capacity of offset + MaxPacket.
const MaxPacket = 65535

// Device is one TUN interface: a SuperDevice or a BatchDevice.
type Device interface {
	// MTU is the interface's present MTU, as the kernel says.
	MTU() (int, error)

	// SetMTU changes the interface's MTU.
	SetMTU(mtu int) error

	// Name is the interface's name.
	Name() string

	// Queues is how many goroutines may read at the same time.
	Queues() int

	// Offloads says what crosses the device in one piece.
	Offloads() Offloads

	// Close deletes the interface and wakes whoever is blocked on it. It may be
	// called more than once.
	Close() error
}

// Offloads are the kernel features that a device uses.
type Offloads struct {
	TSO bool // TCP superpackets, both ways
	USO bool // UDP superpackets, both ways
	// Steering is whether the device is a Spreader that works.
	Steering bool
	// Refused is what was asked for and cannot be had here, and what the user can
	// do about it; nil: nothing.
	Refused error
}

// Spreader is a SuperDevice with several queues of which flows can take all
// evenly. By itself the kernel sends packets of a flow where one that came back
// was written last, or spreads those of which none did.
type Spreader interface {
	// Spread begins that, or leaves the choice to the kernel again. Packets on
	// their way may overtake each other once.
	Spread(on bool) error
}

// SuperDevice passes on superpackets whole: packets of up to 64 KiB whose
// segmentation and checksums are left to whoever takes them.
type SuperDevice interface {
	Device

	// NewReader makes the reader of a queue, of which 0 is the first. Each
	// queue has one.
	NewReader(queue int) Reader

	// NewWriter makes a writer to a queue. A queue may have any number.
	NewWriter(queue int) Writer
}

// Reader reads one queue.
type Reader interface {
	// Read puts one packet at b, which should have MaxPacket bytes, and says
	// how long it is and what it lacks. With wait it waits for one; without, it
	// returns 0, nil when there is none. It also returns 0, nil for something
	// that is no packet. After Close, or when the interface was deleted by
	// somebody else, the error is os.ErrClosed; any other means that the queue
	// cannot go on.
	Read(b []byte, wait bool) (n int, o Offload, err error)
}

// Writer writes to one queue.
type Writer interface {
	// Write hands the kernel one packet that lies in pieces, none of them
	// empty. There may be MaxPieces at most. An error concerns this packet
	// (the interface is down, the packet is malformed); only os.ErrClosed is
	// final.
	Write(o Offload, pieces [][]byte) error
}

// MaxPieces is how many pieces a Writer takes.
const MaxPieces = 128

// BatchDevice takes superpackets apart when it reads and makes them when it
// writes.
type BatchDevice interface {
	Device

	// Read waits for packets and puts packet i at bufs[i][offset:], its
	// length in sizes[i]. It returns how many there are. Segmentation
	// offloads are undone: each packet fits the interface's MTU and carries
	// whole checksums. One call yields the segments of one superpacket, so
	// bufs and sizes should have BatchSize elements; what does not fit is
	// dropped. A return of 0, nil means that the kernel handed over something
	// that is no IP packet: call again. Errors are as of a Reader.
	//
	// Read keeps neither bufs nor sizes.
	Read(bufs [][]byte, sizes []int, offset int) (int, error)

	// Write hands the packets bufs[i][offset:], none of them empty, to the
	// kernel in order and returns how many of them it refused; of a coalesced
	// packet among others that it took that is one.
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
	Write(bufs [][]byte, offset int) (refused int, err error)

	// BatchSize is how many packets one Read yields at most and one Write
	// should carry. It never changes.
	BatchSize() int
}
