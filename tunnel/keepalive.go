package tunnel

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	// keepaliveInterval is how long a NAT may see nothing of us (RFC 3948 §4).
	keepaliveInterval = 20 * time.Second
	// keepaliveTick is how exactly that is kept.
	keepaliveTick = time.Second
)

// IKESA names an IKE SA by its SPIs.
type IKESA struct{ SPIi, SPIr uint64 }

// outerPath is what a NAT has a mapping for.
type outerPath struct{ local, remote netip.AddrPort }

// keepalives keeps the NAT mappings alive that IKE SAs of ours need. Several of them
// may share a path, as those of a rekey do: it is kept once, by what all of them send.
type keepalives struct {
	mu    sync.Mutex // taken after Tunnel.mu
	of    map[IKESA]keptFor
	paths map[outerPath]*keepalive
}

// keptFor is what one IKE SA asked for.
type keptFor struct {
	connection string
	path       outerPath
}

// keepalive is one path whose mapping is kept alive.
type keepalive struct {
	wanted  int           // by so many IKE SAs
	serves  bool          // a Child SA sends there
	packets uint64        // that the SAs there had sent when last looked at
	sent    uint64        // by now
	ike     bool          // an IKE message went there since
	quiet   time.Duration // how long nothing has been sent
}

// due takes what was sent so far and tells whether a keepalive must go out. A sum that
// is less is of SAs that are gone: it shows no traffic.
func (k *keepalive) due() bool {
	busy := k.ike || k.sent > k.packets
	k.packets, k.ike = k.sent, false
	if busy {
		k.quiet = 0
		return false
	}
	k.quiet += keepaliveTick
	if k.quiet < keepaliveInterval {
		return false
	}
	k.quiet = 0
	return true
}

// SetKeepalive sends NAT keepalives for an IKE SA of the connection whenever nothing
// went from local to remote for 20 s: wanted where we are behind a NAT (RFC 3948 §4).
// The zero remote says that there is none.
func (t *Tunnel) SetKeepalive(connection string, of IKESA, local, remote netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.forwarding.Load().connections[connection] == nil {
		return // its last words
	}
	k := &t.keepalives
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget(of, true)
	if remote.IsValid() {
		k.keep(of, keptFor{connection, outerPath{local, remote}})
	}
}

// MoveKeepalive has what is kept alive for an IKE SA follow it to other addresses; of
// one that has none, nothing.
func (t *Tunnel) MoveKeepalive(of IKESA, local, remote netip.AddrPort) {
	k := &t.keepalives
	k.mu.Lock()
	defer k.mu.Unlock()
	if had, ok := k.of[of]; ok {
		k.forget(of, true)
		k.keep(of, keptFor{had.connection, outerPath{local, remote}})
	}
}

// EndKeepalive is the end of an IKE SA. A path on which a Child SA sends, as one of
// IKEv1 may still, is kept until it is gone as well.
func (t *Tunnel) EndKeepalive(of IKESA) {
	k := &t.keepalives
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget(of, false)
}

func (k *keepalives) keep(of IKESA, what keptFor) {
	if k.of == nil {
		k.of, k.paths = map[IKESA]keptFor{}, map[outerPath]*keepalive{}
	}
	k.of[of] = what
	p := k.paths[what.path]
	if p == nil {
		p = &keepalive{}
		k.paths[what.path] = p
	}
	p.wanted++
}

// forget drops what one IKE SA asked for; with at once also a path on which Child SAs
// send.
func (k *keepalives) forget(of IKESA, atOnce bool) {
	had, ok := k.of[of]
	if !ok {
		return
	}
	delete(k.of, of)
	p := k.paths[had.path]
	if p.wanted--; p.wanted == 0 && (atOnce || !p.serves) {
		delete(k.paths, had.path)
	}
}

// removed forgets the IKE SAs of a connection.
func (k *keepalives) removed(connection string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for of, what := range k.of {
		if what.connection == connection {
			k.forget(of, true)
		}
	}
}

// sentIKE notes an IKE message, which keeps a mapping alive, too.
func (k *keepalives) sentIKE(local, remote netip.AddrPort) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := k.paths[outerPath{local, remote}]; p != nil {
		p.ike = true
	}
}

// sendKeepalives runs until ctx ends. Its tick is also that of other things that are
// due now and then.
func (t *Tunnel) sendKeepalives(ctx context.Context) error {
	ticker := time.NewTicker(keepaliveTick)
	defer ticker.Stop()
	var due []outerPath
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		t.probePaths()
		t.dropLate(t.now())
		due = t.dueKeepalives(due[:0])
		for _, p := range due {
			// A failure is transient and the sockets count it; the next
			// keepalive is the retry.
			_ = t.cfg.Transport.SendKeepalive(p.local, p.remote)
		}
	}
}

func (t *Tunnel) dueKeepalives(due []outerPath) []outerPath {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := &t.keepalives
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.paths) == 0 {
		return due
	}
	for _, p := range k.paths {
		p.serves, p.sent = false, 0
	}
	for _, pair := range t.children {
		if pair.out == nil {
			continue
		}
		if p := k.paths[outerPath{pair.out.local, pair.out.remote}]; p != nil {
			p.serves = true
			p.sent += pair.out.out.Packets()
		}
	}
	for path, p := range k.paths {
		switch {
		case p.wanted == 0 && !p.serves:
			delete(k.paths, path)
		case p.due():
			due = append(due, path)
		}
	}
	return due
}
