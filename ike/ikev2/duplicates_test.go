package ikev2

import (
	"net/netip"
	"testing"

	"causeway/esp/selector"
	"causeway/ike/sa"
)

// An IKE SA carries what another one does only with Child SAs that stay.
func TestCoversWithWhatStays(t *testing.T) {
	of := func(state childState, wantDelete bool) *child {
		l := selector.List{selector.FromPrefix(netip.MustParsePrefix("10.0.0.0/8"))}
		return &child{Child: &sa.Child{LocalSelectors: l, RemoteSelectors: l}, state: state, wantDelete: wantDelete}
	}
	old := &ikeSA{children: []*child{of(childInstalled, false)}}
	for _, c := range []struct {
		name string
		has  []*child
		want bool
	}{
		{"nothing", nil, false},
		{"one that stays", []*child{of(childInstalled, false)}, true},
		{"one that is being replaced", []*child{of(childRekeying, false)}, true},
		{"one that was replaced, with nothing in its place", []*child{of(childRekeyed, false)}, false},
		{"one that is being deleted", []*child{of(childDeleting, false)}, false},
		{"one that is to be deleted", []*child{of(childInstalled, true)}, false},
		{"one that goes and one that stays", []*child{of(childDeleting, true), of(childInstalled, false)}, true},
	} {
		if got := (&ikeSA{children: c.has}).covers(old); got != c.want {
			t.Errorf("%s: covers is %v", c.name, got)
		}
	}
	if !(&ikeSA{}).covers(&ikeSA{children: []*child{of(childDeleting, true)}}) {
		t.Error("what goes anyway has to be covered")
	}
}
