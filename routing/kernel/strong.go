package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The kernel takes a packet for any address of the host by whichever interface it
// comes (the weak end system model, RFC 1122 §3.3.4.2). So whoever is on one of the
// host's networks reaches the addresses of the interface past the tunnel: he finds out
// what they are, and with a peer's source address has answers go into the tunnel,
// whose size and time tell him something (CVE-2019-14899). With Strong, rules let
// packets to these addresses in by the interface and from this host:
//
//	1  to an address, of this host or by the interface   table local
//	2  to an address                                     drop
//	3  everything                                        table local
//
// For this the kernel's rule for the table local, the first of all (0), goes behind
// ours. It has the kernel's protocol number there, so that no clean-up of ours, or of
// another gateway's, takes it for a leftover: at every moment one of the two is there.
const (
	strongPriority = 1
	refusePriority = 2
	localPriority  = 3
)

// strongRules are the rules for Strong.
func strongRules(d *Desired) (out []policyRule) {
	if !d.Strong {
		return nil
	}
	for _, a := range d.Addresses {
		to := netip.PrefixFrom(a.Addr(), a.Addr().BitLen())
		in := policyRule{priority: strongPriority, family: familyOf(a.Addr()), to: to, table: unix.RT_TABLE_LOCAL}
		own, refuse := in, in
		in.iface, own.local = d.Interface, true
		refuse.priority, refuse.table, refuse.refuse = refusePriority, 0, true
		out = append(out, in, own, refuse)
	}
	return out
}

// localRule is the rule for the table local that the kernel begins with.
func localRule(family, priority int) *netlink.Rule {
	r := netlink.NewRule()
	r.Family, r.Priority, r.Table, r.Protocol = family, priority, unix.RT_TABLE_LOCAL, unix.RTPROT_KERNEL
	return r
}

// locals tells at which of its two places the rule for the table local is, and
// whether another gateway has rules that need it at the second.
func (k *Kernel) locals(family int) (first, behind, needed bool, err error) {
	list, err := again(func() ([]netlink.Rule, error) { return k.handle.RuleList(family) })
	for _, r := range list {
		table := r.Table == unix.RT_TABLE_LOCAL && r.Src == nil && r.Dst == nil && r.IifName == ""
		first = first || table && r.Priority <= 0 // the kernel does not tell a priority of 0
		behind = behind || table && r.Priority == localPriority
		needed = needed || r.Priority == refusePriority && r.Protocol != uint8(k.protocol)
	}
	return first, behind, needed, err
}

// yieldLocal moves the rule for the table local behind ours.
func (k *Kernel) yieldLocal(family int) error {
	first, behind, _, err := k.locals(family)
	if err != nil {
		return fmt.Errorf("kernel: cannot list the policy rules: %w", err)
	}
	if !behind {
		if err := k.change(k.handle.RuleAdd(localRule(family, localPriority)), "add the rule for the table local behind those of this gateway"); err != nil {
			return err
		}
	}
	if !first {
		return nil
	}
	return k.change(k.handle.RuleDel(localRule(family, 0)), "move the rule for the table local behind those of this gateway")
}

// restoreLocal moves the rule for the table local back to where the kernel has it,
// unless it stands there or another gateway needs it where it is.
func (k *Kernel) restoreLocal(family int) error {
	first, behind, needed, err := k.locals(family)
	if err != nil || !behind || needed {
		return nil // without IPv6 in this kernel there is none to move
	}
	if !first {
		if err := k.change(k.handle.RuleAdd(localRule(family, 0)), "move the rule for the table local back to the first place"); err != nil {
			return err
		}
	}
	return k.change(k.handle.RuleDel(localRule(family, localPriority)), "remove the second rule for the table local")
}

// setLocal puts the rule for the table local where wanted rules need it.
func (k *Kernel) setLocal(d *Desired) error {
	var errs []error
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		set := k.restoreLocal
		for _, r := range strongRules(d) {
			if r.family == family {
				set = k.yieldLocal
			}
		}
		errs = append(errs, set(family))
	}
	return errors.Join(errs...)
}
