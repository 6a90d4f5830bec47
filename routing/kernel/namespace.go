package kernel

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
)

// namespace opens a network namespace by the name that `ip netns` knows; no
// name is that of whoever calls.
func namespace(name string) (netns.NsHandle, error) {
	if name == "" {
		return netns.None(), nil
	}
	ns, err := netns.GetFromName(name)
	if err != nil {
		return ns, fmt.Errorf("kernel: network namespace %q: %w: `ip netns add %s` makes one", name, err, name)
	}
	return ns, nil
}

// Within runs do in the Kernel's network namespace: what do opens there, such
// as a TUN interface, belongs to it.
func (k *Kernel) Within(do func() error) error {
	if !k.ns.IsOpen() {
		return do()
	}
	done := make(chan error, 1)
	go func() {
		// The thread is not unlocked: it ends with the goroutine, and nobody
		// meets it in the other namespace.
		runtime.LockOSThread()
		if err := netns.Set(k.ns); err != nil {
			done <- fmt.Errorf("kernel: cannot enter the network namespace: %w: it needs CAP_SYS_ADMIN", err)
			return
		}
		done <- do()
	}()
	return <-done
}
