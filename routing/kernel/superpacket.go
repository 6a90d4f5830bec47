package kernel

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
)

// wholeSuperpacket is the most that the kernel puts into one superpacket by itself
// (GSO_LEGACY_MAX_SIZE).
const wholeSuperpacket = 65536

// setSuperpacket bounds the superpackets of this host's own flows to what the gateway
// sends as one message. What is forwarded comes with the size that another host gave it,
// and the kernel cuts what is above the bound into single packets: where anything may be
// forwarded there is no bound.
func (k *Kernel) setSuperpacket(link netlink.Link, d *Desired) error {
	have := link.Attrs().GSOMaxSize
	if d.Superpacket == 0 || have == 0 { // a kernel that does not tell has no such bound
		return nil
	}
	want := uint32(d.Superpacket)
	if k.forwards() {
		want = wholeSuperpacket
	}
	if have == want {
		return nil
	}
	return k.change(k.handle.LinkSetGSOMaxSize(link, int(want)), "set the size of superpackets of interface %s to %d", d.Interface, want)
}

// forwards tells whether packets of some interface may be forwarded. That of which
// nothing can be known may.
func (k *Kernel) forwards() (yes bool) {
	err := k.Within(func() error {
		settings, err := filepath.Glob("/proc/sys/net/ipv[46]/conf/*/forwarding")
		if err != nil || len(settings) == 0 {
			return fmt.Errorf("no setting to read: %w", err)
		}
		for _, path := range settings {
			if filepath.Base(filepath.Dir(path)) == "default" {
				continue // of interfaces to come
			}
			text, err := os.ReadFile(path)
			if os.IsNotExist(err) {
				continue // an interface that has just gone
			}
			if err != nil {
				return err
			}
			if !bytes.Equal(bytes.TrimSpace(text), []byte("0")) {
				yes = true
				return nil
			}
		}
		return nil
	})
	return yes || err != nil
}
