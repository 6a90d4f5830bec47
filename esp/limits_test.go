package esp

import (
	"math"
	"sync"
	"testing"
)

func TestOutboundLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		n, len int // of each reservation
		soft   int // which reservation reports Soft; 0 none
		hard   int // which one is refused
	}{
		{"packets", Limits{SoftPackets: 3, HardPackets: 5}, 1, 100, 3, 6},
		{"packets in blocks", Limits{SoftPackets: 5, HardPackets: 10}, 3, 300, 2, 4},
		{"bytes", Limits{SoftBytes: 250, HardBytes: 400}, 1, 100, 3, 5},
		{"soft and hard at once", Limits{SoftBytes: 200, HardBytes: 200}, 1, 100, 2, 3},
		{"hard alone", Limits{HardBytes: 199}, 1, 100, 0, 2},
		{"soft alone", Limits{SoftPackets: 1}, 1, 100, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, _ := newPair(t, suites[0], Parameters{Limits: c.limits})
			next := uint64(1)
			for n := 1; n <= 10; n++ {
				first, state, err := out.Reserve(c.n, c.len)
				if c.hard != 0 && n >= c.hard {
					if err != ErrExhausted || state != Hard || first != 0 {
						t.Fatalf("reservation %d: %d, %v, %v", n, first, state, err)
					}
					continue
				}
				want := OK
				if n == c.soft {
					want = Soft
				}
				if err != nil || state != want || first != next {
					t.Fatalf("reservation %d: %d, %v, %v; want %d, %v", n, first, state, err, next, want)
				}
				next += uint64(c.n)
			}
			if c.hard != 0 && (out.Bytes() != uint64((c.hard-1)*c.len) || out.Packets() < uint64((c.hard-1)*c.n)) {
				t.Errorf("counted %d packets and %d bytes", out.Packets(), out.Bytes())
			}
		})
	}
}

func TestAHardLimitIsForGood(t *testing.T) {
	out, _ := newPair(t, suites[0], Parameters{Limits: Limits{HardBytes: 100}})
	if _, state, _ := out.Reserve(1, 101); state != Hard {
		t.Fatal("more bytes than the limit")
	}
	if _, state, err := out.Reserve(1, 1); state != Hard || err != ErrExhausted {
		t.Errorf("a smaller one after it: %v, %v", state, err)
	}
}

// TestTheSequenceNeverWraps: RFC 4303 §3.3.3.
func TestTheSequenceNeverWraps(t *testing.T) {
	for _, esn := range []bool{false, true} {
		last := uint64(math.MaxUint32)
		if esn {
			last = math.MaxUint64
		}
		out, _ := newPair(t, suites[0], Parameters{ESN: esn})
		out.sequence.Store(last - last/16 - 2)
		for n, want := range []LimitState{OK, Soft, OK} {
			if _, state, err := out.Reserve(1, 0); state != want || err != nil {
				t.Errorf("esn=%v, around the soft limit, %d: %v, %v", esn, n, state, err)
			}
		}
		out.sequence.Store(last - 3)
		if first, _, err := out.Reserve(3, 0); err != nil || first != last-2 {
			t.Errorf("esn=%v: the last three: %d, %v", esn, first, err)
		}
		if _, state, err := out.Reserve(1, 0); err != ErrExhausted || state != Hard {
			t.Errorf("esn=%v: one more: %v, %v", esn, state, err)
		}
		out, _ = newPair(t, suites[0], Parameters{ESN: esn})
		out.sequence.Store(last - 3)
		if _, state, err := out.Reserve(4, 0); err != ErrExhausted || state != Hard {
			t.Errorf("esn=%v: a block over the end: %v, %v", esn, state, err)
		}
		if out.Packets() != last-3 {
			t.Errorf("esn=%v: the refused block was taken", esn)
		}
		if _, state, err := out.Reserve(1, 0); err != ErrExhausted || state != Hard {
			t.Errorf("esn=%v: one number after that: %v, %v", esn, state, err)
		}
	}
}

func TestReserveNothing(t *testing.T) {
	out, _ := newPair(t, suites[0], Parameters{})
	for _, c := range [][2]int{{0, 0}, {-1, 0}, {1, -1}} {
		if _, _, err := out.Reserve(c[0], c[1]); err == nil || err == ErrExhausted {
			t.Errorf("%v: %v", c, err)
		}
	}
	if out.Packets() != 0 || out.Bytes() != 0 {
		t.Error("something was reserved")
	}
}

func TestConcurrentReservationsAreDisjoint(t *testing.T) {
	const workers, blocks, block = 8, 500, 7
	limits := Limits{SoftPackets: 1000, HardPackets: workers*blocks*block - 100}
	out, _ := newPair(t, suites[0], Parameters{Limits: limits})
	var mu sync.Mutex
	var wg sync.WaitGroup
	taken := make(map[uint64]bool)
	soft := 0
	for range workers {
		wg.Go(func() {
			for range blocks {
				first, state, err := out.Reserve(block, 10)
				mu.Lock()
				if state == Soft {
					soft++
				}
				for seq := first; err == nil && seq < first+block; seq++ {
					if taken[seq] || seq == 0 || seq > limits.HardPackets {
						t.Errorf("%d was reserved twice, or is none", seq)
					}
					taken[seq] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if soft != 1 {
		t.Errorf("Soft was reported %d times", soft)
	}
	if uint64(len(taken)) != out.Packets() || uint64(len(taken)) > limits.HardPackets {
		t.Errorf("%d numbers taken, %d counted", len(taken), out.Packets())
	}
}

func TestInboundLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		soft   int // after which packet Soft is reported
		hard   int // which packet is refused
	}{
		{"packets", Limits{SoftPackets: 3, HardPackets: 5}, 3, 6},
		{"bytes", Limits{SoftBytes: 250, HardBytes: 400}, 3, 5},
	} {
		out, in := newPair(t, suites[0], Parameters{})
		in.limits = c.limits
		s := NewScratch()
		for n := 1; n <= 10; n++ {
			err := opens(in, s, sealNext(t, out, s, make([]byte, 100)))
			want, wantState := error(nil), OK
			if n >= c.hard {
				want, wantState = ErrExhausted, Hard
			} else if n == c.soft {
				wantState = Soft
			}
			if state := in.Limit(); err != want || state != wantState {
				t.Errorf("%s: packet %d: %v, %v; want %v, %v", c.name, n, err, state, want, wantState)
			}
			if state := in.Limit(); state == Soft {
				t.Errorf("%s: packet %d: Soft again", c.name, n)
			}
		}
		if in.Packets() != uint64(c.hard-1) || in.Bytes() != uint64(c.hard-1)*100 {
			t.Errorf("%s: counted %d packets, %d bytes", c.name, in.Packets(), in.Bytes())
		}
	}
}

// TestInboundAsksForNumbers: a peer that does not rekey in time would fall
// silent.
func TestInboundAsksForNumbers(t *testing.T) {
	for _, esn := range []bool{false, true} {
		out, in := newPair(t, suites[0], Parameters{ESN: esn})
		s := NewScratch()
		seq := softSequence(esn)
		in.window.top = seq - 10
		if err := opens(in, s, out.Seal(s, nil, nil, NextHeaderDummy, seq-1)); err != nil || in.Limit() != OK {
			t.Errorf("esn=%v: before: %v", esn, err)
		}
		if err := opens(in, s, out.Seal(s, nil, nil, NextHeaderDummy, seq)); err != nil || in.Limit() != Soft || in.Limit() != OK {
			t.Errorf("esn=%v: at the limit: %v", esn, err)
		}
	}
}
