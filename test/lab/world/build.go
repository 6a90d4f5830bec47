package world

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
)

// build makes the namespaces and what is in them.
func (w *World) build(ctx context.Context) error {
	if err := w.create(ctx, w.Namespaces()...); err != nil {
		return err
	}
	var batch strings.Builder
	for _, l := range []struct{ left, right *Namespace }{
		{w.ClientA, w.GatewayA}, {w.ClientB, w.GatewayB},
	} {
		fmt.Fprintf(&batch, "link add eth0 netns %s type veth peer name lan netns %s\n", l.left.Name, l.right.Name)
	}
	fmt.Fprintf(&batch, "link add wan netns %s type veth peer name a netns %s\n", w.GatewayA.Name, w.Router.Name)
	fmt.Fprintf(&batch, "link add wan netns %s type veth peer name b netns %s\n", w.GatewayB.Name, w.Router.Name)
	if err := ip(ctx, "", batch.String()); err != nil {
		return err
	}
	for _, side := range []struct {
		client, gateway *Namespace
		site            Site
	}{{w.ClientA, w.GatewayA, SiteA}, {w.ClientB, w.GatewayB, SiteB}} {
		if err := address(ctx, side.client, side.gateway, w.Router, side.site); err != nil {
			return err
		}
	}
	return nil
}

// Forwarding makes a namespace a router; a client needs no less and minds
// nothing. Duplicate address detection would delay IPv6 by seconds; devices
// take its setting when they are made.
const Forwarding = `
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
ip link set dev lo up`

// address gives one site its addresses and routes.
func address(ctx context.Context, client, gateway, router *Namespace, s Site) error {
	for namespace, batch := range map[*Namespace]string{client: s.clientBatch(), gateway: s.GatewayBatch(), router: s.routerBatch()} {
		if err := ip(ctx, namespace.Name, batch); err != nil {
			return fmt.Errorf("%s: %w", namespace.Role, err)
		}
	}
	return nil
}

func assign(b *strings.Builder, device string, a netip.Addr, bits int) {
	nodad := ""
	if a.Is6() {
		nodad = " nodad"
	}
	fmt.Fprintf(b, "addr add %s/%d dev %s%s\n", a, bits, device, nodad)
}

func defaultRoute(b *strings.Builder, via ...netip.Addr) {
	for _, a := range via {
		fmt.Fprintf(b, "route add default via %s\n", a)
	}
}

// ip runs a batch of ip commands, in a namespace or in the host's.
func ip(ctx context.Context, namespace, batch string) error {
	arguments := []string{"-batch", "-"}
	if namespace != "" {
		arguments = append([]string{"-n", namespace}, arguments...)
	}
	cmd := exec.CommandContext(ctx, "ip", arguments...)
	cmd.Stdin = strings.NewReader(batch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip -batch: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
