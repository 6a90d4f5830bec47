// Package vpnc runs a real vpnc, as a client of our gateway: what laptops use where
// the company has a Cisco concentrator. It speaks IKEv1 in Aggressive Mode with a
// group's key, logs in with XAUTH, takes its address by Mode Config, and carries ESP
// itself, with a TUN device of its own.
package vpnc

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"causeway/test/lab/world"
)

// Settings are what a user tells vpnc.
type Settings struct {
	Gateway, Local netip.Addr
	Group, Secret  string
	User, Password string
	DHGroup        string // dh5, dh14, ...
	NAT            string // natt, force-natt or none
	DPD            time.Duration
}

// Client is one vpnc and its files. Not safe for concurrent use.
type Client struct {
	space   *world.Namespace
	dir     string
	process *world.Process
}

// Missing names what is not installed, or is empty.
func Missing() string {
	if _, err := exec.LookPath("/usr/sbin/vpnc"); err != nil {
		return "/usr/sbin/vpnc"
	}
	return ""
}

// script is called by vpnc when it has its address, and at the end. It puts the
// address on the device, and routes to the networks that the gateway named, or
// everything but what goes to the gateway itself.
const script = `#!/bin/sh
set -e
[ "$reason" = connect ] || exit 0
ip address add "$INTERNAL_IP4_ADDRESS/32" dev "$TUNDEV"
ip link set dev "$TUNDEV" mtu 1300 up
i=0
while [ "$i" -lt "${CISCO_SPLIT_INC:-0}" ]; do
  eval "net=\$CISCO_SPLIT_INC_${i}_ADDR/\$CISCO_SPLIT_INC_${i}_MASKLEN"
  ip route add "$net" dev "$TUNDEV"
  i=$((i + 1))
done
env >'%s.part'
mv '%s.part' '%s'
`

// New prepares a client in the namespace; its files go below the directory of the
// World.
func New(space *world.Namespace, directory string, s Settings) (*Client, error) {
	c := &Client{space: space, dir: filepath.Join(directory, "vpnc-"+space.Role)}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("vpnc: %w", err)
	}
	conf := strings.Join([]string{
		"IPSec gateway " + s.Gateway.String(), "Local Addr " + s.Local.String(),
		"IPSec ID " + s.Group, "IPSec secret " + s.Secret, "Xauth username " + s.User, "Xauth password " + s.Password,
		"IKE DH Group " + s.DHGroup, "NAT Traversal Mode " + s.NAT, fmt.Sprintf("DPD idle timeout (our side) %d", int(s.DPD.Seconds())),
		"Interface name vpnc0", "Noninteractive", "No Detach", "Debug 2",
		"Pidfile " + c.file("pid"), "Script " + c.file("script"),
	}, "\n") + "\n"
	env := c.file("environment")
	for name, text := range map[string]string{"client.conf": conf, "script": fmt.Sprintf(script, env, env, env)} {
		if err := os.WriteFile(c.file(name), []byte(text), 0o700); err != nil { // the script runs
			return nil, fmt.Errorf("vpnc: %w", err)
		}
	}
	return c, nil
}

func (c *Client) file(name string) string { return filepath.Join(c.dir, name) }

// Start begins a connection.
func (c *Client) Start() error {
	p, err := c.space.Start("vpnc-"+c.space.Role, "/usr/sbin/vpnc", c.file("client.conf"))
	c.process = p
	return err
}

// Up waits until it has its address, and gives what the gateway told it, as the
// script's environment.
func (c *Client) Up(ctx context.Context) (map[string]string, error) {
	told := map[string]string{}
	err := world.Eventually(ctx, "vpnc's address", func() error {
		if err := c.process.Running(); err != nil {
			return err
		}
		text, err := os.ReadFile(c.file("environment"))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				told[name] = value
			}
		}
		return nil
	})
	return told, err
}

// Done is closed when it has ended.
func (c *Client) Done() <-chan struct{} { return c.process.Done() }

// Running is nil while it runs, and else how it ended.
func (c *Client) Running() error { return c.process.Running() }

// Log is what it said until now.
func (c *Client) Log() (string, error) {
	text, err := os.ReadFile(c.process.Log)
	return string(text), err
}

// Stop ends it as a user does: it deletes its SAs at the gateway.
func (c *Client) Stop(ctx context.Context) error { return c.process.Interrupt(ctx) }
