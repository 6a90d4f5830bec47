package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"causeway/test/lab/world"
)

// wireguardModule is the daemon in the version that go.mod has of its tun
// package.
const wireguardModule = "golang.zx2c4.com/wireguard@v0.0.0-20260522210424-ecfc5a8d5446"

// wireguardPort is the usual one.
const wireguardPort = "51820"

// installWireguard builds the daemon once, below the directory of what is built.
func installWireguard(ctx context.Context) (string, error) {
	_, version, _ := strings.Cut(wireguardModule, "@")
	directory, err := filepath.Abs(filepath.Join("bin", "wireguard-go-"+version))
	if err != nil {
		return "", err
	}
	path := filepath.Join(directory, "wireguard")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.CommandContext(ctx, "go", "install", "-trimpath", wireguardModule)
	cmd.Env = append(os.Environ(), "GOBIN="+directory, "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install %s: %w: %s", wireguardModule, err, out)
	}
	return path, nil
}

// wireguardEnd is one side. Its socket below /var/run has the device's name, so
// the two differ.
type wireguardEnd struct {
	space       *world.Namespace
	device      string
	site, other world.Site
	key         string // file
}

func (c *contender) wireGuard(ctx context.Context) error {
	program, err := installWireguard(ctx)
	if err != nil {
		return err
	}
	ends := []wireguardEnd{
		{c.world.GatewayA, "cwbwga", world.SiteA, world.SiteB, filepath.Join(c.world.Dir, "a.key")},
		{c.world.GatewayB, "cwbwgb", world.SiteB, world.SiteA, filepath.Join(c.world.Dir, "b.key")},
	}
	var public [2]string
	for i, e := range ends {
		if public[i], err = makeKey(ctx, e.key); err != nil {
			return err
		}
		p, err := e.space.Start("wireguard", program, "-f", e.device)
		if err != nil {
			return err
		}
		c.pids = append(c.pids, p.PID())
		if err := world.Eventually(ctx, "the device of wireguard-go", func() error {
			if err := p.Running(); err != nil {
				return err
			}
			_, err := e.space.Run(ctx, "wg", "show", e.device)
			return err
		}); err != nil {
			return err
		}
	}
	for i, e := range ends {
		if err := e.configure(ctx, public[1-i]); err != nil {
			return err
		}
	}
	return c.device(ctx, ends[0].device)
}

func (e *wireguardEnd) configure(ctx context.Context, peer string) error {
	if _, err := e.space.Run(ctx, "wg", "set", e.device, "listen-port", wireguardPort, "private-key", e.key,
		"peer", peer, "endpoint", netip.AddrPortFrom(e.other.Outer4, 51820).String(),
		"allowed-ips", e.other.Networks[0].String()); err != nil {
		return err
	}
	if _, err := e.space.Run(ctx, "ip", "link", "set", e.device, "up"); err != nil {
		return err
	}
	_, err := e.space.Run(ctx, "ip", "route", "add", e.other.Networks[0].String(), "dev", e.device)
	return err
}

// makeKey writes a private key to a file and gives the public one.
func makeKey(ctx context.Context, file string) (string, error) {
	private, err := exec.CommandContext(ctx, "wg", "genkey").Output()
	if err != nil {
		return "", fmt.Errorf("wg genkey: %w", err)
	}
	if err := os.WriteFile(file, private, 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "wg", "pubkey")
	cmd.Stdin = strings.NewReader(string(private))
	public, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("wg pubkey: %w", err)
	}
	return strings.TrimSpace(string(public)), nil
}
