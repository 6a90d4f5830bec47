package kernel

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Watch calls changed whenever somebody else changed routes, removed a rule of ours, or
// changed the state of an interface or whether it forwards: what was set may be undone or
// wrong, or the way to a peer another one. It is urgent where the network outside gave a route, which takes packets past the tunnel until Set
// is called. It calls down with the name of an interface that carries nothing any more. stop
// ends it and waits for the last call.
func (k *Kernel) Watch(changed func(urgent bool), down func(name string)) (stop func(), err error) {
	routes := make(chan netlink.RouteUpdate, 64)
	links := make(chan netlink.LinkUpdate, 64)
	done := make(chan struct{})
	lost := func(error) { changed(false) } // more happened than the socket could hold
	err = netlink.RouteSubscribeWithOptions(routes, done, netlink.RouteSubscribeOptions{Namespace: &k.ns, ErrorCallback: lost})
	if err == nil {
		err = netlink.LinkSubscribeWithOptions(links, done, netlink.LinkSubscribeOptions{Namespace: &k.ns, ErrorCallback: lost})
	}
	var stopSettings func()
	if err == nil {
		stopSettings, err = k.watchSettings(func() { changed(false) })
	}
	if err != nil {
		close(done)
		return nil, fmt.Errorf("kernel: cannot watch the routes: %w", err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for r := range routes {
			// What we add ourselves is no news; what somebody deletes of ours is.
			if r.Protocol != k.protocol || r.Type == unix.RTM_DELROUTE {
				changed(r.Type == unix.RTM_NEWROUTE && r.Table == unix.RT_TABLE_MAIN && slices.Contains(givenByNetwork, r.Protocol))
			}
		}
	})
	running.Go(func() {
		for l := range links {
			if l.Header.Type == unix.RTM_DELLINK || l.Attrs().RawFlags&unix.IFF_LOWER_UP == 0 {
				down(l.Attrs().Name)
			}
			changed(false)
		}
	})
	return func() {
		close(done)
		stopSettings()
		running.Wait()
	}, nil
}

// watchSettings calls changed whenever a setting of an interface changed, such as
// whether it forwards, or a rule of ours went. stop ends it and waits for the last call.
func (k *Kernel) watchSettings(changed func()) (stop func(), err error) {
	s, err := nl.SubscribeAt(k.ns, netns.None(), unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF,
		unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			messages, _, err := s.Receive()
			if err != nil && !errors.Is(err, unix.ENOBUFS) { // which is: more happened than it could hold
				return
			}
			if err != nil || slices.ContainsFunc(messages, k.isNews) {
				changed()
			}
		}
	}()
	return func() {
		s.Close()
		<-done
	}, nil
}

// isNews tells a message of watchSettings from those of rules that are not ours, or that
// we add.
func (k *Kernel) isNews(m syscall.NetlinkMessage) bool {
	switch m.Header.Type {
	case unix.RTM_NEWRULE:
		return false
	case unix.RTM_DELRULE:
		attributes, err := nl.ParseRouteAttr(m.Data[min(len(m.Data), unix.SizeofRtMsg):]) // the header of a rule is as long
		return err != nil || slices.ContainsFunc(attributes, func(a syscall.NetlinkRouteAttr) bool {
			return a.Attr.Type == nl.FRA_PROTOCOL && len(a.Value) > 0 && a.Value[0] == uint8(k.protocol)
		})
	}
	return true
}

// Link is the state of an interface: whether it carries anything now, and what
// it has carried in both directions.
type Link struct {
	Carrier        bool
	Packets, Bytes uint64
}

// Link looks at an interface; one that does not exist carries nothing.
func (k *Kernel) Link(name string) (l Link) {
	link, err := k.handle.LinkByName(name)
	if err != nil {
		return l
	}
	l.Carrier = link.Attrs().RawFlags&unix.IFF_LOWER_UP != 0
	if s := link.Attrs().Statistics; s != nil {
		l.Packets, l.Bytes = s.RxPackets+s.TxPackets, s.RxBytes+s.TxBytes
	}
	return l
}
