package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Conns are the open sockets: for each local address, or for each family where
// no addresses are given, one on the IKE port and one or a group on the NAT port.
type Conns struct {
	sockets    []*socket
	icmp       []*PathErrorReader
	steering   int          // how many workers have sockets of their own; 0: none
	addresses  []netip.Addr // as configured
	natPort    uint16
	lookupMark uint32
	unroutable atomic.Uint64 // datagrams for which there is no socket

	single sync.Mutex // guards what follows
	sender *Sender    // for messages sent one at a time
	buffer []byte     // marker and IKE message
}

// Listen opens the sockets. Its errors say which address and port could not be
// had, what holds it where that can be known, and what to do.
func Listen(cfg Config) (*Conns, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	c := &Conns{addresses: cfg.Addresses, natPort: cfg.NATPort, lookupMark: cfg.LookupMark}
	addresses := cfg.Addresses
	if len(addresses) == 0 {
		addresses = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	for _, a := range addresses {
		err := c.open(a, &cfg)
		if err == nil {
			err = c.openRaw(a, &cfg)
		}
		if err != nil {
			if len(cfg.Addresses) == 0 && familyMissing(err) {
				continue
			}
			c.Close()
			return nil, err
		}
	}
	if len(c.sockets) == 0 {
		return nil, errors.New("udp: this kernel has neither IPv4 nor IPv6")
	}
	if err := c.openPathErrors(); err != nil {
		c.Close()
		return nil, err
	}
	c.sender = c.NewSender(noWorker)
	return c, nil
}

// open opens the UDP sockets of one address.
func (c *Conns) open(a netip.Addr, cfg *Config) error {
	s, err := openSocket(netip.AddrPortFrom(a, cfg.IKEPort), false, cfg)
	if err != nil {
		return err
	}
	c.sockets = append(c.sockets, s)
	return c.openNAT(a, cfg)
}

// openRaw opens the socket for ESP without UDP, if there may be one.
func (c *Conns) openRaw(a netip.Addr, cfg *Config) error {
	s, err := openRaw(a, cfg)
	if err != nil {
		if cfg.BareESP {
			return err
		}
		return nil
	}
	c.sockets = append(c.sockets, s)
	return nil
}

// familyMissing says that the kernel does not do the address family at all,
// which is no fault where the user did not ask for it.
func familyMissing(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EPROTONOSUPPORT) ||
		errors.Is(err, unix.EADDRNOTAVAIL)
}

// complete fills in the defaults and refuses what cannot work.
func (c *Config) complete() error {
	defaults := func(v *uint16, d uint16) {
		if *v == 0 {
			*v = d
		}
	}
	defaults(&c.IKEPort, DefaultIKEPort)
	defaults(&c.NATPort, DefaultNATPort)
	if c.IKEPort == c.NATPort {
		return fmt.Errorf("udp: the IKE port and the NAT port are both %d; they must differ", c.IKEPort)
	}
	if c.ReceiveBuffer <= 0 {
		c.ReceiveBuffer = defaultReceiveBuffer
	}
	if c.SendBuffer <= 0 {
		c.SendBuffer = defaultSendBuffer
	}
	c.Addresses = slices.Clone(c.Addresses)
	for i, a := range c.Addresses {
		a = a.Unmap()
		switch {
		case !a.IsValid():
			return errors.New("udp: one of the local addresses is empty")
		case a.IsUnspecified() || a.IsMulticast():
			return fmt.Errorf("udp: %v is no local address; give none to listen on all", a)
		case slices.Contains(c.Addresses[:i], a):
			return fmt.Errorf("udp: local address %v is given twice", a)
		}
		c.Addresses[i] = a
	}
	return nil
}
