package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// rulePriority is before the main table's (32766) and behind what
// administrators usually give theirs.
const rulePriority = 30197

// setRules adds and removes policy rules.
func (k *Kernel) setRules(d *Desired) error {
	ours, err := k.ourRules()
	if err != nil {
		return err
	}
	type id struct {
		from  netip.Prefix
		table int
	}
	var errs []error
	present := map[id]bool{}
	wanted := map[id]bool{}
	for _, p := range d.Rules {
		wanted[id{p.Masked(), d.Table}] = true
	}
	for _, r := range ours {
		from, _ := netipx.FromStdIPNet(r.Src)
		have := id{from, r.Table}
		if !wanted[have] || present[have] {
			errs = append(errs, k.removeRule(r))
			continue
		}
		present[have] = true
	}
	for want := range wanted {
		if !present[want] {
			rule := k.rule(want.from, want.table)
			errs = append(errs, k.change(k.handle.RuleAdd(rule), "add the rule for packets from %v to table %d", want.from, want.table))
		}
	}
	return errors.Join(errs...)
}

func (k *Kernel) rule(from netip.Prefix, table int) *netlink.Rule {
	r := netlink.NewRule()
	r.Priority, r.Table, r.Src, r.Protocol = rulePriority, table, netipx.PrefixIPNet(from), uint8(k.protocol)
	r.Family = netlink.FAMILY_V4
	if from.Addr().Is6() {
		r.Family = netlink.FAMILY_V6
	}
	return r
}

func (k *Kernel) removeRule(r netlink.Rule) error {
	err := k.handle.RuleDel(&r)
	if errors.Is(err, unix.ENOENT) {
		err = nil // went by itself meanwhile
	}
	return k.change(err, "remove the rule for packets from %v", r.Src)
}

// removeRules removes all our rules.
func (k *Kernel) removeRules() error {
	ours, err := k.ourRules()
	errs := []error{err}
	for _, r := range ours {
		errs = append(errs, k.removeRule(r))
	}
	return errors.Join(errs...)
}

// ourRules lists the rules that carry our protocol number.
func (k *Kernel) ourRules() (ours []netlink.Rule, err error) {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := again(func() ([]netlink.Rule, error) { return k.handle.RuleList(family) })
		if err != nil {
			if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
				continue // no policy routing, or no IPv6, in this kernel
			}
			return ours, fmt.Errorf("kernel: cannot list the policy rules: %w", err)
		}
		for _, r := range list {
			if r.Protocol == uint8(k.protocol) {
				r.Family = family
				ours = append(ours, r)
			}
		}
	}
	return ours, nil
}
