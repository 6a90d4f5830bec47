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

// offloadSets are sets of switches, as bits: all that there are, or, with -short,
// so many that any three switches meet in all eight ways. A switch is on in
// row r where r and its mask have an odd number of bits in common, and no three
// of the masks, which have an odd number of bits themselves, cancel out.
func offloadSets() (sets []uint) {
	if !testing.Short() {
		for set := range uint(1) << len(offloadSwitches) {
			sets = append(sets, set)
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

// TestOffloadSets: any three switches meet in all ways.
func TestOffloadSets(t *testing.T) {
	n := len(offloadSwitches)
	for a := range n {
		for b := range a {
			for c := range b {
				seen := map[uint]bool{}
				for _, set := range offloadSets() {
					seen[set>>a&1|set>>b&1<<1|set>>c&1<<2] = true
				}
				if len(seen) != 8 {
					t.Errorf("switches %d, %d and %d meet in %d ways", a, b, c, len(seen))
				}
			}
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
			carriesAll(t, c, 1<<20)
		})
	}
}
