package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// rulePriority is before the main table's (32766) and behind what
// administrators usually give theirs.
const rulePriority = 30197

// mainPriority is where the kernel has the rule for the main table.
const mainPriority = 32766

// policyRule is a policy rule in our terms.
type policyRule struct {
	priority  int
	family    int
	from, to  netip.Prefix // zero: any
	local     bool         // what this host itself sends, and nothing else
	forwarded bool         // what it does not send itself, and nothing else
	iface     string       // what comes by that interface, and nothing else; empty: any
	protocol  uint8        // 0: any
	port      uint16       // of the source; 0: any
	mark      uint32       // 0: any
	table     int          // to look into; 0: none
	jump      int          // to the rule of that priority; 0: go on with the next
	refuse    bool         // drop it
}

// String is the rule for a person.
func (r policyRule) String() string {
	switch {
	case r.from.IsValid():
		return fmt.Sprintf("the rule for packets from %v to table %d", r.from, r.table)
	case r.priority <= refusePriority:
		return fmt.Sprintf("the rule for who reaches the interface's address %v (%d)", r.to.Addr(), r.priority)
	case r.to.IsValid():
		return fmt.Sprintf("the rule for packets of this host to %v to table %d", r.to.Addr(), r.table)
	case r.iface != "":
		return fmt.Sprintf("the rule for packets that come by interface %s (%d)", r.iface, r.priority)
	case r.forwarded:
		return fmt.Sprintf("the rule for packets of others to table %d", r.table)
	case r.jump != 0 || r.own():
		return fmt.Sprintf("the rule that keeps our own packets outside (%d)", r.priority)
	}
	return fmt.Sprintf("the rule that does nothing (%d)", r.priority)
}

// own tells a rule for our own packets, to whomever they go.
func (r policyRule) own() bool {
	return r.local && !r.from.IsValid() && !r.to.IsValid() && (r.mark != 0 || r.protocol != 0)
}

// rank is when a rule is added: what keeps our own packets outside comes before
// what leads packets to the same peers inside, and what lets packets in before what
// drops the others. They are removed the other way round.
func (r policyRule) rank() int {
	switch {
	case r.refuse:
		return 3
	case r.jump != 0 || r.own():
		return 1
	case r.table != 0:
		return 2
	}
	return 0
}

// networkRules are for packets from Rules.
func (k *Kernel) networkRules(d *Desired) (out []policyRule) {
	for _, p := range d.Rules {
		out = append(out, policyRule{priority: rulePriority, family: familyOf(p.Addr()), from: p.Masked(), table: d.Table})
	}
	return out
}

// compare tells what of the wanted rules is not there, and what is there besides. Of
// rules with one priority the kernel takes the older first: those that are early have
// to go and come again behind others.
func compare(ours []netlink.Rule, all []policyRule) (missing, stale, early []policyRule) {
	wanted, present := map[policyRule]bool{}, map[policyRule]bool{}
	for _, r := range all {
		wanted[r] = true
	}
	for _, r := range ours {
		have := read(r)
		if wanted[have] && !present[have] {
			present[have] = true
		} else {
			stale = append(stale, have)
		}
	}
	for want := range wanted {
		if !present[want] {
			missing = append(missing, want)
		}
	}
	for _, m := range missing {
		for have := range present {
			if m.iface != "" && have.forwarded && m.family == have.family && m.priority == have.priority {
				early = append(early, have)
			}
		}
	}
	return append(missing, early...), stale, early
}

// addRules adds rules. In the families that it returns not all are there that keep our
// packets outside: none is added that leads others there inside.
func (k *Kernel) addRules(rules []policyRule) (unsafe map[int]bool, err error) {
	slices.SortFunc(rules, func(a, b policyRule) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.port, b.port), a.to.Addr().Compare(b.to.Addr()))
	})
	var errs []error
	unsafe = map[int]bool{}
	for _, r := range rules {
		if unsafe[r.family] && (r.priority == hostPriority || r.forwarded) {
			continue
		}
		err := k.change(k.handle.RuleAdd(k.write(r)), "add %v", r)
		if err != nil && r.rank() < 2 {
			unsafe[r.family] = true
		}
		errs = append(errs, err)
	}
	return unsafe, errors.Join(errs...)
}

func (k *Kernel) removeEach(rules []policyRule) error {
	slices.SortFunc(rules, func(a, b policyRule) int { return cmp.Compare(b.rank(), a.rank()) })
	var errs []error
	for _, r := range rules {
		err := k.handle.RuleDel(k.write(r))
		if errors.Is(err, unix.ENOENT) {
			err = nil // went by itself meanwhile
		}
		errs = append(errs, k.change(err, "remove %v", r))
	}
	return errors.Join(errs...)
}

// removeRules removes all our rules.
func (k *Kernel) removeRules() error {
	ours, _, err := k.rules()
	var rules []policyRule
	for _, r := range ours {
		rules = append(rules, read(r))
	}
	return errors.Join(err, k.setLocal(&Desired{}), k.removeEach(rules))
}

// write is a rule in kernel terms.
func (k *Kernel) write(r policyRule) *netlink.Rule {
	out := netlink.NewRule()
	out.Priority, out.Family, out.Table, out.Protocol = r.priority, r.family, r.table, uint8(k.protocol)
	out.IPProto, out.Mark = int(r.protocol), r.mark
	if r.from.IsValid() {
		out.Src = netipx.PrefixIPNet(r.from)
	}
	if r.to.IsValid() {
		out.Dst = netipx.PrefixIPNet(r.to)
	}
	if out.IifName = r.iface; r.local || r.forwarded {
		out.IifName, out.Invert = "lo", r.forwarded
	}
	if r.port != 0 {
		out.Sport = netlink.NewRulePortRange(r.port, r.port)
	}
	switch {
	case r.jump != 0:
		out.Goto = r.jump
	case r.refuse:
		out.Type = nl.FR_ACT_BLACKHOLE
	case r.table == 0:
		out.Type = nl.FR_ACT_NOP
	}
	return out
}

// read is the opposite of write.
func read(r netlink.Rule) policyRule {
	out := policyRule{
		priority: r.Priority, family: r.Family, local: r.IifName == "lo" && !r.Invert, forwarded: r.IifName == "lo" && r.Invert,
		protocol: uint8(r.IPProto), mark: r.Mark, table: r.Table, jump: max(r.Goto, 0), refuse: r.Priority == refusePriority, // the action is not told
	}
	if r.IifName != "lo" {
		out.iface = r.IifName
	}
	if r.Src != nil {
		out.from, _ = netipx.FromStdIPNet(r.Src)
	}
	if r.Dst != nil {
		out.to, _ = netipx.FromStdIPNet(r.Dst)
	}
	if r.Sport != nil {
		out.port = r.Sport.Start
	}
	return out
}

// rules lists the rules that carry our protocol number, and the others.
func (k *Kernel) rules() (ours, others []netlink.Rule, err error) {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := again(func() ([]netlink.Rule, error) { return k.handle.RuleList(family) })
		if err != nil {
			if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
				continue // no policy routing, or no IPv6, in this kernel
			}
			return ours, others, fmt.Errorf("kernel: cannot list the policy rules: %w", err)
		}
		for _, r := range list {
			r.Family = family
			if r.Protocol == uint8(k.protocol) {
				ours = append(ours, r)
			} else {
				others = append(others, r)
			}
		}
	}
	return ours, others, nil
}

func familyOf(a netip.Addr) int {
	if a.Is6() {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}
