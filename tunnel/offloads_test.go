package tunnel

import (
	"math/bits"
	"os"
	"strings"
	"testing"

	"causeway/esp"
	"causeway/tunnel/tun"
)

// offloadSwitches turn off one offload each, as gateway.disable_offloads names
// them. Flows are spread from the start where nobody turns that off.
var offloadSwitches = []struct {
	name string
	off  func(c *offloadCase)
}{
	{"tso", func(c *offloadCase) { c.noTSO = true }},
	{"uso", func(c *offloadCase) { c.noUSO = true }},
	{"udp_segment", func(c *offloadCase) { c.noGSO = true }},
	{"udp_gro", func(c *offloadCase) { c.noGRO = true }},
	{"spi_steering", func(c *offloadCase) { c.noSteering = true }},
	{"tun_steering", func(c *offloadCase) { c.spread = false }},
	{"vaes", nil}, // of the process, not of a gateway
}

// offloadSets are sets of switches, as bits: so many that any six switches meet in all
// ways, or, with -short, any three. The first are the sets of an odd number: what
// the seventh does follows from the six. Of the others a switch is on in
// row r where r and its mask have an odd number of bits in common, and no three
// of the masks, which have an odd number of bits themselves, cancel out.
func offloadSets() (sets []uint) {
	if !testing.Short() {
		for set := range uint(1) << len(offloadSwitches) {
			if bits.OnesCount(set)%2 == 1 {
				sets = append(sets, set)
			}
		}
		return sets
	}
	masks := [...]uint{1, 2, 4, 8, 7, 11, 13}
	for row := range uint(16) {
		var set uint
		for i, mask := range masks {
			set |= uint(bits.OnesCount(row&mask)&1) << i
		}
		sets = append(sets, set)
	}
	return sets
}

// TestOffloadSets: any six switches, or any three, meet in all ways.
func TestOffloadSets(t *testing.T) {
	strength := 6
	if testing.Short() {
		strength = 3
	}
	for chosen := range uint(1) << len(offloadSwitches) {
		if bits.OnesCount(chosen) != strength {
			continue
		}
		seen := map[uint]bool{}
		for _, set := range offloadSets() {
			seen[set&chosen] = true
		}
		if len(seen) != 1<<strength {
			t.Errorf("the switches %07b meet in %d ways", chosen, len(seen))
		}
	}
}

// TestOffloadsTogether is TestOffloads with sets of offloads turned off.
func TestOffloadsTogether(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	if err := tun.ProbeSteering(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = esp.Native(true) }() // never fails
	for _, set := range offloadSets() {
		c := offloadCase{backend: tun.Native, queues: 2, spread: true}
		names := []string{"without"}
		for i, s := range offloadSwitches {
			if set>>i&1 == 0 {
				continue
			}
			names = append(names, s.name)
			if s.off != nil {
				s.off(&c)
			}
		}
		t.Run(strings.Join(names, " "), func(t *testing.T) {
			if err := esp.Native(names[len(names)-1] != "vaes"); err != nil {
				t.Fatal(err)
			}
			carriesAll(t, c, 512<<10)
		})
	}
}
