package world

import (
	"context"
	"fmt"
	"strings"
)

// Socket is where a device has to appear so that it is on the network.
type Socket struct {
	Namespace *Namespace
	Device    string
}

// SocketsB are the sockets of gateway B's two devices: one in the router, and
// one at client B.
func (w *World) SocketsB() (router, client Socket) {
	return Socket{w.Router, SiteB.Name}, Socket{w.ClientB, "eth0"}
}

// VacateB takes gateway B off the network, and gives the sockets that something
// else may be plugged into. The namespace of gateway B stays, with nothing in it.
func (w *World) VacateB(ctx context.Context) (router, client Socket, err error) {
	router, client = w.SocketsB()
	return router, client, ip(ctx, w.GatewayB.Name, "link del wan\nlink del lan\n")
}

// OccupyB gives the devices in SocketsB their addresses and routes.
func (w *World) OccupyB(ctx context.Context) error {
	for namespace, batch := range map[*Namespace]string{w.Router: SiteB.routerBatch(), w.ClientB: SiteB.clientBatch()} {
		if err := ip(ctx, namespace.Name, batch); err != nil {
			return fmt.Errorf("%s: %w", namespace.Role, err)
		}
	}
	return nil
}

// NewNamespace makes a namespace outside of any World. Its name should begin as
// those of a World do, so that SweepDead finds it.
func NewNamespace(ctx context.Context, name, role, directory string) (*Namespace, error) {
	n := &Namespace{Name: name, Role: role, dir: directory}
	if err := ip(ctx, "", "netns add "+name+"\n"); err != nil {
		return nil, err
	}
	return n, ip(ctx, name, "link set dev lo up\n")
}

// Remove removes a namespace of NewNamespace. What runs in it must have ended.
func (n *Namespace) Remove() error { return ip(context.Background(), "", "netns del "+n.Name+"\n") }

// GatewayBatch is what `ip -batch` needs to give the site's gateway its addresses
// and routes. Its devices are wan and lan.
func (s Site) GatewayBatch() string {
	var b strings.Builder
	for _, network := range s.Networks {
		assign(&b, "lan", GatewayIn(network), network.Bits())
	}
	assign(&b, "wan", s.Outer4, 24)
	assign(&b, "wan", s.Outer6, 64)
	b.WriteString("link set dev lan up\nlink set dev wan up\n")
	defaultRoute(&b, s.Router4, s.Router6)
	return b.String()
}

func (s Site) clientBatch() string {
	var b strings.Builder
	for _, network := range s.Networks {
		assign(&b, "eth0", ClientIn(network), network.Bits())
	}
	b.WriteString("link set dev eth0 up\n")
	defaultRoute(&b, GatewayIn(s.Networks[0]), GatewayIn(s.Networks[len(s.Networks)-1]))
	return b.String()
}

// routerBatch is for the router's device to the site.
func (s Site) routerBatch() string {
	var b strings.Builder
	assign(&b, s.Name, s.Router4, 24)
	assign(&b, s.Name, s.Router6, 64)
	fmt.Fprintf(&b, "link set dev %s up\n", s.Name)
	return b.String()
}
