package strongswan

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"causeway/test/lab/link"
	"causeway/test/lab/place"
	"causeway/test/lab/roots"
	"causeway/test/lab/vici"
	"causeway/test/lab/world"
)

// charon is where Debian puts the daemon.
const charon = "/usr/lib/ipsec/charon"

// socket is the name of the daemon's control socket.
const socket = "vici.sock"

// Daemon is one charon and its files. Not safe for concurrent use.
type Daemon struct {
	place place.Place

	process place.Process
}

// Missing names what is not installed, or is empty.
func Missing() string {
	for _, path := range []string{charon, "/usr/sbin/swanctl", "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so"} {
		if _, err := os.Stat(path); err != nil {
			return path
		}
	}
	return ""
}

// New prepares a daemon of this machine's own Debian, with these connections, for
// the namespace; its files go below the directory of the World.
func New(space *world.Namespace, directory string, ends ...link.End) (*Daemon, error) {
	where, err := roots.In("", space, filepath.Join(directory, "strongswan-"+space.Role))
	if err != nil {
		return nil, fmt.Errorf("strongswan: %w", err)
	}
	return At(where, Userspace, ends...)
}

// At prepares a daemon for any place.
func At(where place.Place, path DataPath, ends ...link.End) (*Daemon, error) {
	d := &Daemon{place: where}
	return d, d.write(path, ends)
}

// Start starts the daemon and loads its configuration, which with End.Start
// begins the tunnel.
func (d *Daemon) Start(ctx context.Context) error {
	p, err := d.place.Start("charon-"+d.place.Role(), "sh", "-c",
		fmt.Sprintf("rm -f %s; STRONGSWAN_CONF=%s exec %s", d.file(socket), d.file("strongswan.conf"), charon))
	if err != nil {
		return err
	}
	d.process = p
	err = world.Eventually(ctx, "charon's socket", func() error {
		if err := p.Running(); err != nil {
			return err
		}
		conn, err := d.dial(ctx)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err == nil {
		err = d.load(ctx)
	}
	return place.OrEnd(p, err)
}

func (d *Daemon) load(ctx context.Context) error {
	if _, err := d.place.Run(ctx, "env", "STRONGSWAN_CONF="+d.file("strongswan.conf"),
		"swanctl", "--load-all", "--noprompt", "--file", d.file("swanctl.conf"), "--uri", "unix://"+d.file(socket)); err != nil {
		return fmt.Errorf("strongswan: %w", err)
	}
	return nil
}

// file is one of the daemon's files, as it knows it.
func (d *Daemon) file(name string) string { return filepath.Join(d.place.Dir(), name) }

func (d *Daemon) dial(ctx context.Context) (*vici.Conn, error) {
	conn, err := d.place.Dial(ctx, socket)
	if err != nil {
		return nil, fmt.Errorf("strongswan: %w", err)
	}
	return vici.New(ctx, conn)
}

// Log is the test's file that the daemon logs to.
func (d *Daemon) Log() string { return d.process.LogFile() }

// PID is the daemon's process ID. It has one here only in a namespace.
func (d *Daemon) PID() int { return d.process.(*world.Process).PID() }

// Kill ends it without a word to the peer.
func (d *Daemon) Kill() { d.process.Kill() }

// Stop ends it as an administrator does: it deletes its SAs at the peer.
func (d *Daemon) Stop(ctx context.Context) error { return d.process.Terminate(ctx) }

// Initiate brings the tunnel up and waits for the result.
func (d *Daemon) Initiate(ctx context.Context) error { return d.InitiateChild(ctx, link.Name) }

// InitiateChild is Initiate for one child of a Split connection.
func (d *Daemon) InitiateChild(ctx context.Context, child string) error {
	_, err := d.call(ctx, "initiate", vici.Section{"child": child, "timeout": strconv.Itoa(60_000)})
	return err
}

// Terminate deletes the IKE SA and waits for the peer's answer.
func (d *Daemon) Terminate(ctx context.Context) error {
	_, err := d.call(ctx, "terminate", vici.Section{"ike": link.Name, "timeout": strconv.Itoa(20_000)})
	return err
}

// Redirect sends the peer to another gateway (RFC 5685).
func (d *Daemon) Redirect(ctx context.Context, gateway netip.Addr) error {
	_, err := d.call(ctx, "redirect", vici.Section{"ike": link.Name, "gateway": gateway.String()})
	return err
}

// RekeyChild begins to replace the newest Child SA. By its name strongSwan would
// replace the old ones as well that still wait to be deleted.
func (d *Daemon) RekeyChild(ctx context.Context) error {
	return d.rekeyNewest(ctx, "child", func(s IKE) []sa {
		var list []sa
		for _, c := range s.Children {
			list = append(list, sa{c.ID, c.State == "INSTALLED"})
		}
		return list
	})
}

// RekeyIKE begins to replace the newest IKE SA. Of IKEv1 there are several while
// old ones wait to be deleted.
func (d *Daemon) RekeyIKE(ctx context.Context) error { return d.rekeyNewest(ctx, "ike", established) }

// Reauthenticate begins to make the newest IKE SA anew, with its Child SAs.
func (d *Daemon) Reauthenticate(ctx context.Context) error {
	return d.rekeyNewest(ctx, "ike", established, "reauth")
}

func established(s IKE) []sa { return []sa{{s.ID, s.State == "ESTABLISHED"}} }

// Install sets a trap: a packet that the Child SA is for brings the tunnel up. In
// userspace only a strongSwan since 5.9.11 can.
func (d *Daemon) Install(ctx context.Context) error {
	_, err := d.call(ctx, "install", vici.Section{"child": link.Name, "ike": link.Name})
	return err
}

// sa is one security association: the daemon's number of it, which rises, and
// whether it can be replaced.
type sa struct {
	id uint64
	up bool
}

func (d *Daemon) rekeyNewest(ctx context.Context, kind string, of func(IKE) []sa, how ...string) error {
	list, err := d.SAs(ctx)
	if err != nil {
		return err
	}
	var newest uint64
	for _, s := range list {
		for _, one := range of(s) {
			if one.up {
				newest = max(newest, one.id)
			}
		}
	}
	if newest == 0 {
		return fmt.Errorf("strongswan: there is no %s to rekey: %+v", kind, list)
	}
	ask := vici.Section{kind + "-id": strconv.FormatUint(newest, 10)}
	for _, h := range how {
		ask[h] = "yes"
	}
	_, err = d.call(ctx, "rekey", ask)
	return err
}

func (d *Daemon) call(ctx context.Context, command string, arguments vici.Section) (vici.Section, error) {
	conn, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Call(command, arguments)
}
