package control

import (
	"net"
	"sync"
)

// maxClients bounds the connections of one listener: each costs a descriptor, of which
// the program has a number for all it does. More wait until one of them ends, which
// those that say nothing do in headerTime.
const maxClients = 128

// maxCommands bounds those who wait for a connection to go up or down, or for new keys,
// as maxReaders does those who follow events: beside both there is room for whoever asks
// why it takes so long.
const maxCommands = maxClients - maxReaders - 16

// roomy is a listener with room for so many connections at a time.
type roomy struct {
	net.Listener
	room   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func withRoom(l net.Listener, most int) net.Listener {
	return &roomy{Listener: l, room: make(chan struct{}, most), closed: make(chan struct{})}
}

// Accept waits for room first.
func (r *roomy) Accept() (net.Conn, error) {
	select {
	case r.room <- struct{}{}:
	case <-r.closed:
		return nil, net.ErrClosed
	}
	c, err := r.Listener.Accept()
	if err != nil {
		<-r.room
		return nil, err
	}
	return &guest{Conn: c, of: r}, nil
}

// Close lets who waits for room go, too.
func (r *roomy) Close() error {
	r.once.Do(func() { close(r.closed) })
	return r.Listener.Close()
}

// guest makes room when it goes.
type guest struct {
	net.Conn
	of   *roomy
	once sync.Once
}

func (g *guest) Close() error {
	g.once.Do(func() { <-g.of.room })
	return g.Conn.Close()
}
