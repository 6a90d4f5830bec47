package esp

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestOpenBatch(t *testing.T) {
	forEachSuite(t, func(t *testing.T, c suite, p Parameters) {
		out, in := newPair(t, c, p)
		s := NewScratch()
		one := sealNext(t, out, s, []byte("one"))
		two := sealNext(t, out, s, []byte("two"))
		three := sealNext(t, out, s, []byte("three"))
		forged := bytes.Clone(three)
		forged[len(forged)-1] ^= 1
		broken := sealPlaintext(out, s, bytes.Repeat([]byte{2}, 16), 9)
		batch := []Packet{
			{Bytes: bytes.Clone(two), Payload: []byte("stale"), Err: ErrPadding}, // both to be reset
			{Bytes: forged},
			{Bytes: one[:10]},
			{Bytes: bytes.Clone(one)},
			{Bytes: bytes.Clone(two)}, // again in the same batch
			{Bytes: broken},
			{Bytes: three},
			{Bytes: out.Seal(s, nil, nil, NextHeaderIPv4, 0)},
		}
		in.OpenBatch(s, batch)
		want := []Packet{
			{Sequence: 2, Payload: []byte("two"), NextHeader: NextHeaderIPv4},
			{Sequence: 3, Err: ErrAuthentication},
			{Err: ErrShort},
			{Sequence: 1, Payload: []byte("one"), NextHeader: NextHeaderIPv4},
			{Sequence: 2, Err: ErrReplay},
			{Sequence: 9, Err: ErrPadding},
			{Sequence: 3, Payload: []byte("three"), NextHeader: NextHeaderIPv4},
			{Err: ErrReplay},
		}
		if diff := cmp.Diff(want, batch, cmpopts.IgnoreFields(Packet{}, "Bytes"), cmpopts.IgnoreUnexported(Packet{}), cmpopts.EquateErrors()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if in.Packets() != 3 || in.Bytes() != 11 {
			t.Errorf("counted %d packets and %d bytes", in.Packets(), in.Bytes())
		}
	})
}

// TestOneOfTwoWorkersWins: both find a packet fresh before either commits.
func TestOneOfTwoWorkersWins(t *testing.T) {
	out, in := newPair(t, suites[0], Parameters{})
	s := NewScratch()
	packet := sealNext(t, out, s, []byte("payload"))
	first, second := []Packet{{Bytes: bytes.Clone(packet)}}, []Packet{{Bytes: packet}}
	in.Check(first)
	in.Check(second)
	in.Decrypt(s, &first[0])
	in.Decrypt(s, &second[0])
	in.Commit(second)
	in.Commit(first)
	if second[0].Err != nil || first[0].Err != ErrReplay || first[0].Payload != nil {
		t.Errorf("first %v, second %v", first[0].Err, second[0].Err)
	}
}

func TestCommitRecordsOnlyWhatWasAuthentic(t *testing.T) {
	out, in := newPair(t, suites[0], Parameters{})
	s := NewScratch()
	batch := []Packet{{Bytes: sealNext(t, out, s, nil)}}
	in.Check(batch)
	before := stateOf(in)
	in.Commit(batch) // without Decrypt
	if diff := cmp.Diff(before, stateOf(in)); diff != "" {
		t.Errorf("state changed (-before +after):\n%s", diff)
	}
	in.Decrypt(s, &batch[0])
	in.Commit(batch)
	in.Commit(batch) // a second time changes nothing
	if batch[0].Err != nil || in.Packets() != 1 {
		t.Errorf("%v, %d packets", batch[0].Err, in.Packets())
	}
}

// TestWorkersShareAnSA sends from several workers and receives everything twice
// on several: each payload arrives exactly once.
func TestWorkersShareAnSA(t *testing.T) {
	for _, c := range suites[:2] {
		t.Run(c.name, func(t *testing.T) {
			const workers, each = 4, 300
			out, in := newPair(t, c, Parameters{ESN: true, ReplayWindow: 4096})
			packets := make([][]byte, workers*each)
			run := func(work func(worker int, s *Scratch)) {
				var wg sync.WaitGroup
				for worker := range workers {
					wg.Go(func() { work(worker, NewScratch()) })
				}
				wg.Wait()
			}
			run(func(worker int, s *Scratch) {
				for range each {
					seq, _, err := out.Reserve(1, 8)
					if err != nil {
						t.Error(err)
						return
					}
					packets[seq-1] = out.Seal(s, nil, binary.BigEndian.AppendUint64(nil, seq), NextHeaderIPv4, seq)
				}
			})
			var mu sync.Mutex
			arrived := make(map[uint64]int)
			run(func(worker int, s *Scratch) {
				for n := range packets {
					if n%2 == worker%2 { // each packet goes to two workers
						continue
					}
					payload, _, err := in.Open(s, bytes.Clone(packets[n]))
					if err == ErrReplay {
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					arrived[binary.BigEndian.Uint64(payload)]++
					mu.Unlock()
				}
			})
			for seq, n := range arrived {
				if n != 1 {
					t.Errorf("payload %d arrived %d times", seq, n)
				}
			}
			if len(arrived) != len(packets) || in.Packets() != uint64(len(packets)) {
				t.Errorf("%d of %d arrived, %d counted", len(arrived), len(packets), in.Packets())
			}
		})
	}
}
