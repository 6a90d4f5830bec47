package meter

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestShares draws sites at random and holds every promise at once: who
// offers its guarantee gets it, nobody exceeds its ceiling, the line is full if
// there is enough to send and never more than full, and nobody gets less than
// another of the same weight and ceiling that has no more of a guarantee.
func TestShares(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rate := uint64(rapid.IntRange(10, 60).Draw(r, "rate")) * mbit
		n := rapid.IntRange(1, 8).Draw(r, "sites")
		s := newSimulation(t, rate)
		free := rate
		shares := make([]Share, n)
		for i := range shares {
			share := &shares[i]
			share.Weight = rapid.IntRange(1, 4).Draw(r, "weight")
			if rapid.Bool().Draw(r, "guaranteed") {
				share.Guarantee = free / uint64(rapid.IntRange(2, 5).Draw(r, "part"))
				free -= share.Guarantee
			}
			if rapid.IntRange(0, 3).Draw(r, "ceiled") == 0 {
				share.Ceiling = max(share.Guarantee, rate/uint64(rapid.IntRange(2, 10).Draw(r, "ceiling")))
			}
			offered := rate / 100 * uint64(rapid.SampledFrom([]int{1, 10, 50, 120, 200}).Draw(r, "offered"))
			x := s.site(*share, offered)
			x.size = rapid.IntRange(300, 1500).Draw(r, "size")
			// What comes together must not wait for too long at the least rate.
			slowest := rate
			if share.Ceiling > 0 {
				slowest = share.Ceiling
			}
			x.batch = rapid.IntRange(1, min(30, int(bytesIn(10*time.Millisecond, slowest))/x.size+1)).Draw(r, "batch")
			x.ect = rapid.Bool().Draw(r, "ect")
		}
		s.run(500 * time.Millisecond)
		got := s.measured(time.Second)

		wanted, most := 0.0, 0.0
		for i, x := range s.sites {
			want := float64(x.rate)
			if c := float64(shares[i].Ceiling); c > 0 {
				want = min(want, c)
				if got[i] > c*1.02 {
					r.Errorf("site %d has %.4g above its ceiling %.4g", i, got[i], c)
				}
			}
			// A burst of a site with little to send makes its rate uneven.
			granule := float64(8 * x.size * x.batch)
			if low := min(want, float64(shares[i].Guarantee)); got[i] < low*0.97-granule {
				r.Errorf("site %d has %.4g of its guarantee %.4g", i, got[i], low)
			}
			wanted += want
			most += granule
			for j := range s.sites {
				other := s.sites[j]
				if got[j] > 0 && duration(x.size*x.batch, uint64(got[j])) > longestWait/2 {
					continue // what comes together may wait for too long at that rate
				}
				if shares[i].Weight == shares[j].Weight && shares[i].Ceiling == 0 && got[i] < want*0.97-granule &&
					shares[j].Guarantee <= shares[i].Guarantee && got[i] < got[j]*0.95-granule {
					r.Errorf("site %d has %.4g, site %d with the same share has %.4g (it offers %d)", i, got[i], j, got[j], other.rate)
				}
			}
		}
		total := sum(got)
		if total > float64(rate)*1.02 {
			r.Errorf("the line carries %.4g, %.4g allowed", total, float64(rate))
		}
		if low := min(wanted, float64(rate)); total < low*0.97-most {
			r.Errorf("the line carries %.4g of the %.4g that it could", total, low)
		}
	})
}
