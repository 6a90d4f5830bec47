package strongswan

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"causeway/test/lab/link"
	"causeway/test/lab/vici"
	"causeway/test/lab/world"
)

// charon is where Debian puts the daemon.
const charon = "/usr/lib/ipsec/charon"

// Daemon is one charon and its directory. Not safe for concurrent use.
type Daemon struct {
	space *world.Namespace
	dir   string

	process *world.Process
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

// New prepares a daemon with these connections for the namespace; its files go below the directory of
// the World.
func New(space *world.Namespace, directory string, ends ...link.End) (*Daemon, error) {
	d := &Daemon{space: space, dir: filepath.Join(directory, "strongswan-"+space.Role)}
	if err := os.MkdirAll(filepath.Join(d.dir, "swanctl"), 0o700); err != nil {
		return nil, fmt.Errorf("strongswan: %w", err)
	}
	return d, d.write(ends)
}

// Start starts the daemon and loads its configuration, which with End.Start
// begins the tunnel. A private /run lets several daemons live on one machine.
func (d *Daemon) Start(ctx context.Context) error {
	_ = os.Remove(d.socket()) // a killed daemon leaves it
	script := fmt.Sprintf("mount -t tmpfs run /run && STRONGSWAN_CONF=%s exec %s",
		filepath.Join(d.dir, "strongswan.conf"), charon)
	p, err := d.space.Start("charon-"+d.space.Role, "unshare", "-m", "sh", "-c", script)
	if err != nil {
		return err
	}
	d.process = p
	err = world.Eventually(ctx, "charon's socket", func() error {
		if err := p.Running(); err != nil {
			return err
		}
		conn, err := vici.Dial(ctx, d.socket())
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		return err
	}
	return d.load(ctx)
}

func (d *Daemon) load(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "swanctl", "--load-all", "--noprompt",
		"--file", filepath.Join(d.dir, "swanctl.conf"), "--uri", "unix://"+d.socket())
	cmd.Env = append(os.Environ(),
		"SWANCTL_DIR="+filepath.Join(d.dir, "swanctl"), "STRONGSWAN_CONF="+filepath.Join(d.dir, "strongswan.conf"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("strongswan: swanctl --load-all: %w: %s", err, out)
	}
	return nil
}

// Log is the file that the daemon logs to.
func (d *Daemon) Log() string { return filepath.Join(d.dir, "charon.log") }

func (d *Daemon) socket() string { return filepath.Join(d.dir, "vici.sock") }

// PID is the daemon's process ID.
func (d *Daemon) PID() int { return d.process.PID() }

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

// RekeyChild begins to replace the Child SA.
func (d *Daemon) RekeyChild(ctx context.Context) error {
	_, err := d.call(ctx, "rekey", vici.Section{"child": link.Name})
	return err
}

// RekeyIKE begins to replace the IKE SA.
func (d *Daemon) RekeyIKE(ctx context.Context) error {
	_, err := d.call(ctx, "rekey", vici.Section{"ike": link.Name})
	return err
}

func (d *Daemon) call(ctx context.Context, command string, arguments vici.Section) (vici.Section, error) {
	conn, err := vici.Dial(ctx, d.socket())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Call(command, arguments)
}
