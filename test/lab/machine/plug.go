package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"causeway/test/lab/machine/order"
	"causeway/test/lab/world"
)

// patience bounds an order that has no reason to take long.
const patience = 30 * time.Second

// Guest is the machine while it is gateway B of a World.
type Guest struct {
	machine *Machine
	world   *world.World
}

// Plug makes the machine gateway B of the World.
func (m *Machine) Plug(ctx context.Context, w *world.World) (*Guest, error) {
	g := &Guest{m, w}
	if err := m.order(ctx, order.Order{Verb: order.Fresh, Root: kernelRoot}); err != nil {
		return nil, err
	}
	router, client, err := w.VacateB(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range []struct {
		name string
		to   world.Socket
	}{{wan, router}, {lan, client}} {
		if _, err := m.space.Run(ctx, "ip", "link", "set", "dev", d.name, "netns", d.to.Namespace.Name, "name", d.to.Device); err != nil {
			return nil, errors.Join(err, g.Unplug(ctx))
		}
	}
	if err := w.OccupyB(ctx); err != nil {
		return nil, errors.Join(err, g.Unplug(ctx))
	}
	script := world.Forwarding + "\nip -batch - <<'.'\n" + world.SiteB.GatewayBatch() + ".\n"
	if _, err := g.In(kernelRoot).Run(ctx, "sh", "-e", "-c", script); err != nil {
		return nil, errors.Join(err, g.Unplug(ctx))
	}
	return g, nil
}

// Unplug takes the machine out of the World, which must still be there, and
// kills what runs in it. The World has no gateway B afterwards.
func (g *Guest) Unplug(ctx context.Context) error {
	m := g.machine
	router, client := g.world.SocketsB()
	var problems []error
	for _, d := range []struct {
		name string
		at   world.Socket
	}{{wan, router}, {lan, client}} {
		if _, err := m.space.Run(ctx, "ip", "link", "show", "dev", d.name); err == nil {
			continue // it was not plugged in yet
		}
		_, err := d.at.Namespace.Run(ctx, "ip", "link", "set", "dev", d.at.Device, "netns", m.space.Name, "name", d.name)
		problems = append(problems, err)
	}
	problems = append(problems, m.order(ctx, order.Order{Verb: order.Fresh, Root: kernelRoot}))
	return errors.Join(problems...)
}

// In is a root of the machine as a place for a daemon.
func (g *Guest) In(root string) *Place { return &Place{guest: g, root: root} }

// order carries out an order that has no output.
func (m *Machine) order(ctx context.Context, o order.Order) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := m.open(ctx, o)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.collect(ctx); err != nil {
		return fmt.Errorf("machine: %s: %w", o.Verb, err)
	}
	return nil
}
