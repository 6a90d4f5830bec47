package ike

import (
	"errors"
	"net/netip"
	"testing"

	"causeway/ike/sa"
)

// only4 is a host without a way for IPv6.
type only4 struct {
	Transport
	address netip.Addr
}

func (o only4) LocalAddr(remote netip.Addr) (netip.Addr, error) {
	if !remote.Is4() {
		return netip.Addr{}, errors.New("network is unreachable")
	}
	return o.address, nil
}

// TestRedirectedWhereThereIsAWay: of the addresses of the gateway that the peer
// names, one that can be reached is taken.
func TestRedirectedWhereThereIsAWay(t *testing.T) {
	here, six, four := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("192.0.2.9")
	o := &owner{engine: &Engine{cfg: EngineConfig{Transport: only4{address: here}, IKEPort: 500, NATPort: 4500}}}
	o.current.Store(&Connection{Settings: &sa.Settings{Name: "link"}})
	got := o.redirected("vpn-2.example.com", []netip.Addr{six, four}, nil)
	if got.Failure != nil || got.Remote != netip.AddrPortFrom(four, 500) || got.Local != netip.AddrPortFrom(here, 500) {
		t.Errorf("%+v", got)
	}
	var nowhere []netip.Addr
	for _, a := range []string{"127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "224.0.0.1", "::1", "::", "ff02::1"} {
		nowhere = append(nowhere, netip.MustParseAddr(a))
	}
	for _, c := range []struct {
		found []netip.Addr
		err   error
		want  sa.Reason
	}{{[]netip.Addr{six}, nil, sa.ReasonSendFailed}, {nowhere, nil, sa.ReasonSendFailed}, {nil, errors.New("no such host"), sa.ReasonAddressUnresolved}} {
		if got := o.redirected("vpn-2.example.com", c.found, c.err); got.Failure == nil || got.Failure.Reason != c.want {
			t.Errorf("%v, %v: %+v", c.found, c.err, got.Failure)
		}
	}
}
