package roots

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"causeway/test/lab/place"
	"causeway/test/lab/world"
)

// Place is a root in a network namespace. Programs see the root read-only, with
// the kernel's file systems, a /run and a /tmp of their own, and the test's
// directory at Mount.
type Place struct {
	space *world.Namespace
	root  string
	dir   string
}

// In is a place with that root in the namespace, whose files are in the
// directory; an empty root is the system that the tests run on.
func In(root string, space *world.Namespace, directory string) (*Place, error) {
	return &Place{space, root, directory}, os.MkdirAll(directory, 0o700)
}

// Role implements place.Place.
func (p *Place) Role() string { return p.space.Role }

// Dir implements place.Place.
func (p *Place) Dir() string {
	if p.root == "" {
		return p.dir
	}
	return Mount
}

// Write implements place.Place.
func (p *Place) Write(_ context.Context, name string, data []byte) error {
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// Dial implements place.Place.
func (p *Place) Dial(ctx context.Context, name string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(p.dir, name))
}

// Run implements place.Place.
func (p *Place) Run(ctx context.Context, arguments ...string) (string, error) {
	return p.space.Run(ctx, "unshare", p.enter(arguments)...)
}

// Start implements place.Place.
func (p *Place) Start(name string, arguments ...string) (place.Process, error) {
	process, err := p.space.Start(name, "unshare", p.enter(arguments)...)
	if err != nil {
		return nil, err
	}
	return process, nil
}

// enter is the command line of unshare(1) for a program. The mounts are the
// program's own and end with it; a private /run lets several daemons live on one
// machine.
func (p *Place) enter(arguments []string) []string {
	if p.root == "" {
		return append([]string{"-m", "sh", "-c", `mount -t tmpfs run /run && exec "$@"`, "sh"}, arguments...)
	}
	root := Directory(p.root)
	script := fmt.Sprintf(`set -e
mount --bind %[1]s %[1]s
mount -o remount,bind,ro %[1]s
mount -t tmpfs run %[1]s/run
mount -t tmpfs tmp %[1]s/tmp
mount -t proc proc %[1]s/proc
mount --rbind /sys %[1]s/sys
mount --rbind /dev %[1]s/dev
mount --bind %[2]s %[1]s%[3]s
exec chroot %[1]s /usr/bin/env "$@"`, root, p.dir, Mount)
	return append([]string{"-m", "sh", "-c", script, "sh"}, arguments...)
}

var _ place.Place = (*Place)(nil)
