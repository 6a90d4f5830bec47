package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"causeway/test/lab/machine/order"
)

// call is one order on its way.
type call struct{ net.Conn }

// open sends an order.
func (m *Machine) open(ctx context.Context, o order.Order) (*call, error) {
	var conn net.Conn
	err := m.space.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp4", order.Agent.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("machine: %w", errors.Join(err, m.qemu.Running()))
	}
	o.Now = time.Now()
	if err := order.Send(conn, o); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &call{conn}, nil
}

// follow writes the output of an order to w until the order is carried out.
func (c *call) follow(w io.Writer) error {
	for {
		kind, body, err := order.ReadFrame(c)
		if err != nil {
			return err
		}
		switch kind {
		case order.Output:
			if _, err := w.Write(body); err != nil {
				return err
			}
		case order.Done:
			return nil
		default:
			return errors.New(string(body))
		}
	}
}

// collect gives the output of an order; the end of ctx ends it.
func (c *call) collect(ctx context.Context) (string, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	var b bytes.Buffer
	err := c.follow(&b)
	return b.String(), errors.Join(err, ctx.Err())
}
