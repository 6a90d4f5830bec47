package relay

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// path is one relayed pair of ports.
type path struct {
	peer  netip.AddrPort
	near  *net.UDPConn
	lanes [2]*lane // by Direction
	watch func(d Direction, payload []byte)

	mu   sync.Mutex
	far  *net.UDPConn   // changes with Rebind
	host netip.AddrPort // the near host: whoever sent to near last
}

// fromNear takes a datagram of the near host.
func (p *path) fromNear(payload []byte, from netip.AddrPort) {
	p.mu.Lock()
	p.host = from
	p.mu.Unlock()
	p.watch(ToFar, payload)
	p.lanes[ToFar].carry(payload, p.peer)
}

// fromFar takes a datagram of the far host; a stranger's has no mapping.
func (p *path) fromFar(payload []byte, from netip.AddrPort) {
	to, known := p.nearHost()
	if !known || from != p.peer {
		p.lanes[ToNear].stranger()
		return
	}
	p.watch(ToNear, payload)
	p.lanes[ToNear].carry(payload, to)
}

func (p *path) sendNear(payload []byte, to netip.AddrPort) error {
	_, err := p.near.WriteToUDPAddrPort(payload, to)
	return err
}

func (p *path) sendFar(payload []byte, to netip.AddrPort) error {
	_, err := p.farSocket().WriteToUDPAddrPort(payload, to)
	return err
}

func (p *path) nearHost() (a netip.AddrPort, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.host, p.host.IsValid()
}

func (p *path) farSocket() *net.UDPConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.far
}

func (p *path) swapFar(far *net.UDPConn) (old *net.UDPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, p.far = p.far, far
	return old
}

// bufferSize of each socket holds the trains of several TCP windows.
const bufferSize = 16 << 20

// enlarge gives a socket large buffers. Root may have them, others get what the
// administrator allows.
func enlarge(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var forced error
	err = raw.Control(func(fd uintptr) {
		forced = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferSize)
	})
	if err != nil {
		return err
	}
	if forced != nil {
		return conn.SetReadBuffer(bufferSize)
	}
	return nil
}
