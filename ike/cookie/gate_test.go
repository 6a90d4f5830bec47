package cookie

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

func TestThresholdTotal(t *testing.T) {
	g := newGate(t, Config{})
	for i := range 32 {
		v, _ := g.Admit(start, spoofed(i), uint64(i), nonce, nil)
		wantVerdict(t, fmt.Sprint("source ", i), v, Accept)
		g.Opened(start, spoofed(i))
	}
	v, _ := g.Admit(start, alice, 7, nonce, nil)
	wantVerdict(t, "with 32 half-open", v, Challenge)
	g.Closed(start, spoofed(0))
	v, _ = g.Admit(start, alice, 7, nonce, nil)
	wantVerdict(t, "with 31 half-open", v, Accept)
}

func TestThresholdSource(t *testing.T) {
	for name, c := range map[string]struct{ first, same, other string }{
		"IPv4":        {"192.0.2.1:500", "192.0.2.1:4500", "192.0.2.2:500"},
		"IPv6 by /64": {"[2001:db8::1]:500", "[2001:db8::ffff:1]:500", "[2001:db8:0:1::1]:500"},
		"IPv4 mapped": {"192.0.2.1:500", "[::ffff:192.0.2.1]:500", "[::ffff:192.0.2.2]:500"},
		"zone":        {"[fe80::1%a]:500", "[fe80::2%b]:500", "[2001:db8::1]:500"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, Config{})
			first, same, other := netip.MustParseAddrPort(c.first), netip.MustParseAddrPort(c.same), netip.MustParseAddrPort(c.other)
			for range 4 {
				v, _ := g.Admit(start, first, 7, nonce, nil)
				wantVerdict(t, "below the threshold", v, Accept)
				g.Opened(start, first)
			}
			v, cookie := g.Admit(start, same, 7, nonce, nil)
			wantVerdict(t, "the same source", v, Challenge)
			v, _ = g.Admit(start, same, 7, nonce, cookie)
			wantVerdict(t, "the same source with a cookie", v, Accept)
			v, _ = g.Admit(start, other, 7, nonce, nil)
			wantVerdict(t, "another source", v, Accept)
			g.Closed(start, same)
			v, _ = g.Admit(start, first, 7, nonce, nil)
			wantVerdict(t, "after one is closed", v, Accept)
		})
	}
}

// Requests that are refused open nothing; a flood of them from sources that
// nobody has needs cookies before it costs work.
func TestThresholdRate(t *testing.T) {
	g := newGate(t, Config{})
	accepted := 0
	for i := range 1000 {
		if v, _ := g.Admit(start, spoofed(i), uint64(i), nonce, nil); v == Accept {
			accepted++
		}
	}
	if accepted != 200 {
		t.Errorf("%d of 1000 requests at once are accepted without a cookie, want 200", accepted)
	}
	v, cookie := g.Admit(start, alice, 7, nonce, nil)
	wantVerdict(t, "in a flood", v, Challenge)
	v, _ = g.Admit(start, alice, 7, nonce, cookie)
	wantVerdict(t, "in a flood, with a cookie", v, Accept)
	v, _ = g.Admit(start.Add(time.Second), alice, 8, nonce, nil)
	wantVerdict(t, "a second later", v, Accept)
}

func TestHardLimits(t *testing.T) {
	g := newGate(t, Config{MaxTotal: 40, MaxSource: 6})
	_, cookie := challenged(t, Config{}).Admit(start, alice, 7, nonce, nil)
	for range 6 {
		g.Opened(start, alice)
	}
	v, _ := g.Admit(start, alice, 7, nonce, cookie)
	wantVerdict(t, "a source at its limit, with a cookie", v, Drop)
	bob := netip.MustParseAddrPort("192.0.2.2:500")
	v, _ = g.Admit(start, bob, 7, nonce, nil)
	wantVerdict(t, "another source", v, Accept)
	for i := range 34 {
		g.Opened(start, spoofed(i))
	}
	v, made := g.Admit(start, bob, 7, nonce, nil)
	wantVerdict(t, "at the limit of all", v, Challenge)
	v, _ = g.Admit(start, bob, 7, nonce, made)
	wantVerdict(t, "at the limit of all, with a cookie", v, Accept)
	g.Opened(start, bob)
	if n := g.HalfOpen(start); n != 40 {
		t.Errorf("%d half-open at a limit of 40", n)
	}
	if c := g.Counters(); c != (Counters{Accepted: 2, Challenged: 1, Dropped: 1}) {
		t.Errorf("counters %+v", c)
	}
}

func TestHalfOpenExpires(t *testing.T) {
	for after, want := range map[time.Duration]int{
		59 * time.Second:         100,
		60 * time.Second:         99,
		84500 * time.Millisecond: 50,
		2 * time.Minute:          0,
	} {
		g := newGate(t, Config{HalfOpenTimeout: time.Minute})
		for i := range 100 {
			g.Opened(start.Add(time.Duration(i)*time.Second/2), spoofed(i%10))
		}
		now := start.Add(after)
		if got := g.HalfOpen(now); got != want {
			t.Errorf("%v: %d half-open, want %d", after, got, want)
		}
		if want > 0 {
			continue
		}
		g.Closed(now, spoofed(1)) // of one that expired: nothing to take back
		if got := g.HalfOpen(now); got != 0 || len(g.halfOpen.bySource) != 0 {
			t.Errorf("in the end: %d half-open of %d sources", got, len(g.halfOpen.bySource))
		}
	}
}

// TestHalfOpenModel compares with a plain list under random opening, closing and time.
func TestHalfOpenModel(t *testing.T) {
	type open struct {
		source  int
		expires time.Time
	}
	const timeout, limit = time.Minute, 50
	random := rand.New(rand.NewPCG(1, 2))
	h := newHalfOpen(timeout, limit)
	var model []open
	now := start
	remove := func(i int) { model = append(model[:i:i], model[i+1:]...) }
	for step := range 20000 {
		now = now.Add(time.Duration(random.IntN(3000)) * time.Millisecond)
		source := random.IntN(8)
		h.expire(now)
		for len(model) > 0 && !now.Before(model[0].expires) {
			remove(0)
		}
		if random.IntN(3) > 0 {
			h.add(now, spoofed(source).Addr())
			if len(model) == limit {
				remove(0)
			}
			model = append(model, open{source, now.Add(timeout)})
		} else {
			h.removeOldest(spoofed(source).Addr())
			for i, o := range model {
				if o.source == source {
					remove(i)
					break
				}
			}
		}
		counts := map[int]int{}
		for _, o := range model {
			counts[o.source]++
		}
		if h.total() != len(model) {
			t.Fatalf("step %d: total %d, want %d", step, h.total(), len(model))
		}
		for s := range 8 {
			if got := h.of(spoofed(s).Addr()); got != counts[s] {
				t.Fatalf("step %d: %d of source %d, want %d", step, got, s, counts[s])
			}
		}
	}
}

func TestResponseRate(t *testing.T) {
	g := challenged(t, Config{ChallengeRate: 10, ChallengeBurst: 5, ResponseRate: 10, ResponseBurst: 1})
	_, cookie := challenged(t, Config{}).Admit(start, alice, 7, nonce, nil)
	count := func(now time.Time) (answered int) {
		for range 100 {
			if v, _ := g.Admit(now, alice, 7, nonce, nil); v != Drop {
				answered++
			}
		}
		return answered
	}
	if got := count(start); got != 5 {
		t.Errorf("%d answers at once, want 5", got)
	}
	if v, _ := g.Admit(start, alice, 7, nonce, cookie); v != Accept {
		t.Errorf("%v with a valid cookie, which needs no allowance", v)
	}
	if !g.AllowResponse(start, alice) || g.AllowResponse(start, alice) {
		t.Error("other answers have no count of their own")
	}
	if !g.AllowResponse(start, netip.MustParseAddrPort("192.0.2.2:500")) {
		t.Error("another source is refused")
	}
	if got := count(start.Add(100 * time.Millisecond)); got != 1 {
		t.Errorf("%d answers after a tenth of a second, want 1", got)
	}
	if got := count(start); got != 0 {
		t.Errorf("%d answers when the clock goes back, want 0", got)
	}
	if got := count(start.Add(time.Hour)); got != 5 {
		t.Errorf("%d answers after an hour, want 5", got)
	}
}

// A table that is full is no way around the limit, and makes room when its buckets have filled again.
func TestResponseRateTableFull(t *testing.T) {
	l := newLimiter(10, 5, 3)
	for i := range 3 {
		if !l.allow(start, spoofed(i).Addr()) {
			t.Errorf("source %d is refused", i)
		}
	}
	answered := 0
	for range 100 {
		if l.allow(start, spoofed(10).Addr()) {
			answered++
		}
	}
	if answered != 5 || len(l.buckets) != 3 {
		t.Errorf("%d answers to a source beyond the table, want 5; %d buckets", answered, len(l.buckets))
	}
	// A flood from everywhere leaves enough for one who means it.
	for i := range sharedBuckets {
		l.allow(start, spoofed(1000+i).Addr())
	}
	if !l.allow(start, spoofed(11).Addr()) || len(l.buckets) != 3 {
		t.Errorf("a source beyond the table is refused for what others did; %d buckets", len(l.buckets))
	}
	later := start.Add(500 * time.Millisecond) // an empty bucket is full again
	if !l.allow(later, spoofed(7).Addr()) || len(l.buckets) != 1 {
		t.Errorf("%d buckets, want 1", len(l.buckets))
	}
}

// The bucket that was used last must not keep those that were not.
func TestResponseRateExpiry(t *testing.T) {
	l := newLimiter(10, 5, 3)
	l.allow(start, spoofed(0).Addr())
	l.allow(start.Add(100*time.Millisecond), spoofed(1).Addr())
	l.allow(start.Add(400*time.Millisecond), spoofed(0).Addr())
	l.allow(start.Add(600*time.Millisecond), spoofed(2).Addr())
	if _, ok := l.buckets[spoofed(1).Addr()]; ok || len(l.buckets) != 2 {
		t.Errorf("%d buckets, want those of the two sources seen last", len(l.buckets))
	}
}

func TestResponseRateClockBack(t *testing.T) {
	l := newLimiter(10, 5, 3)
	l.allow(start, spoofed(0).Addr())
	if !l.allow(start.Add(-time.Hour), spoofed(0).Addr()) {
		t.Error("a clock that went back took away the allowance")
	}
}

// TestSpoofedSources floods the gate from 100,000 sources: memory has a bound, a peer that returns its cookie gets in,
// and everything is forgotten afterwards.
func TestSpoofedSources(t *testing.T) {
	g := newGate(t, Config{})
	flood := func() {
		for i := range 100_000 {
			now := start.Add(time.Duration(i) * 10 * time.Microsecond)
			if v, _ := g.Admit(now, spoofed(i), uint64(i), nonce, nil); v == Accept {
				g.Opened(now, spoofed(i))
			}
			if len(g.asked.buckets) > 8192 || g.asked.order.Len() > 8192 || g.halfOpen.total() > 4096 {
				t.Fatalf("%d buckets, %d half-open", len(g.asked.buckets), g.halfOpen.total())
			}
		}
	}
	flood()
	before := heap()
	flood()
	if after := heap(); after > before+256<<10 {
		t.Errorf("the second flood took %d bytes", after-before)
	}
	if got := g.HalfOpen(start.Add(time.Second)); got != 32 {
		t.Errorf("%d half-open, want the 32 that needed no cookie", got)
	}
	now := start.Add(time.Second)
	_, cookie := challenged(t, Config{}).Admit(now, alice, 7, nonce, nil)
	v, _ := g.Admit(now, alice, 7, nonce, cookie)
	wantVerdict(t, "an honest peer in the flood", v, Accept)
	now = now.Add(10 * time.Minute)
	v, _ = g.Admit(now, alice, 7, nonce, nil)
	wantVerdict(t, "after the flood", v, Accept)
	if len(g.asked.buckets) != 1 || g.halfOpen.total() != 0 || len(g.halfOpen.bySource) != 0 {
		t.Errorf("%d buckets and %d half-open left", len(g.asked.buckets), g.halfOpen.total())
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Opened is for accepted requests; called for more, it must still not grow.
func TestOpenedBeyondTheLimit(t *testing.T) {
	g := newGate(t, Config{MaxTotal: 100})
	for i := range 10_000 {
		g.Opened(start, spoofed(i))
	}
	if got := g.HalfOpen(start); got != 100 || len(g.halfOpen.bySource) != 100 {
		t.Errorf("%d half-open of %d sources, want 100", got, len(g.halfOpen.bySource))
	}
}

func TestVerdictString(t *testing.T) {
	for v, want := range map[Verdict]string{Drop: "drop", Challenge: "challenge", Accept: "accept", 9: "verdict 9"} {
		if got := v.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func BenchmarkChallenge(b *testing.B) {
	g := challenged(b, Config{ChallengeRate: 1 << 30, ChallengeBurst: 1 << 30})
	b.ReportAllocs()
	for b.Loop() {
		g.Admit(start, alice, 7, nonce, nil)
	}
}

// A source that shows no cookie is asked for one no more often than a rate.
func TestChallengeRate(t *testing.T) {
	g := challenged(t, Config{})
	asked := 0
	for i := range 2000 {
		if v, _ := g.Admit(start, alice, uint64(i), nonce, nil); v == Challenge {
			asked++
		}
	}
	if asked == 0 || asked > 400 {
		t.Errorf("%d of 2000 requests at once are answered", asked)
	}
}
