package ikev2_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/test/transcript"
)

// refusal is a peer that is refused: what is wrong with it.
type refusal string

const (
	unknownIdentity refusal = "unknown identity"
	wrongKey        refusal = "wrong key"
	otherIdentity   refusal = "another connection's identity"
)

// refusedPair is a peer that is refused, and who refuses it: a gateway with two
// connections. The peer signs or not, and so do those of the first connection, and of the
// other where they are not mixed.
func refusedPair(why refusal, signs, mixed bool, r *rand.Rand) (a, b, other *sa.Settings) {
	a, b = transcript.Pair()
	name := func(prefix byte) auth.Identity {
		return transcript.Identity(fmt.Sprintf("%c%06d.example", prefix, r.IntN(1e6)))
	}
	a.LocalIdentity = name('k')
	b.RemoteIdentity = a.LocalIdentity
	second := *b
	other = &second
	other.Name, other.RemoteIdentity = "other", name('o')
	key := []byte(fmt.Sprintf("%032d", r.Uint64()))
	a.PSK = auth.NewSecret(key)
	b.PSK = auth.NewSecret(key)
	other.PSK = auth.NewSecret([]byte(fmt.Sprintf("%032d", r.Uint64())))
	if why == wrongKey {
		a.PSK = auth.NewSecret([]byte(fmt.Sprintf("%032d", r.Uint64())))
	}
	if signs {
		root := transcript.Trust(nil, transcript.Authorities().Root)
		// Whoever tries identities has a certificate of an authority that nobody trusts.
		a.Credentials = transcript.Credentials(transcript.Authorities().Certificate("p256", a.LocalIdentity.String(), "other"), nil)
		a.Trust, b.Trust = root, root
	}
	if signs != mixed {
		other.Trust = transcript.Trust(nil, transcript.Authorities().Root)
	}
	for _, c := range []*sa.Settings{b, other} {
		if c.Trust != nil {
			c.Credentials = transcript.Credentials(transcript.Authorities().Certificate("p256", "b.example"), nil)
		}
	}
	switch why {
	case unknownIdentity:
		a.LocalIdentity = name('u')
	case otherIdentity:
		a.LocalIdentity = other.RemoteIdentity
	}
	return a, b, other
}

// refused is two hosts of which b, with two connections, refuses a's IKE_AUTH; it is
// the only datagram on the network.
func refused(why refusal, signs bool, r *rand.Rand) *transcript.World {
	a, b, other := refusedPair(why, signs, false, r)
	w := transcript.New(a, b, nil)
	w.B.Besides = []*sa.Settings{other}
	w.A.Reseed(r.Uint64())
	w.B.Reseed(r.Uint64())
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	return w
}

// work is what refusing one peer cost b: digests, their octets, and jobs.
type work struct {
	writes, octets int
	jobs           string
	answer         int
}

func workOf(t *testing.T, w *transcript.World) (out work) {
	t.Helper()
	w.B.Acceptor.Observe(func(n int) { out.writes++; out.octets += n })
	before := len(w.B.Actions)
	w.Deliver(0)
	for _, act := range w.B.Actions[before:] {
		switch act := act.(type) {
		case sa.StartWork:
			out.jobs += fmt.Sprintf("%T ", act.Job)
		case sa.Send:
			out.answer = len(act.Bytes)
		}
	}
	return out
}

// Whether a peer shows an identity that nobody has, one of another connection, or one
// with a wrong key: the same digests over as many octets, the same jobs, and an answer
// of the same length, whatever identities and keys are drawn.
func TestRefusalsAreTheSameWork(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, signs := range []bool{false, true} {
		seen := map[refusal]map[work]int{}
		for range 40 {
			for _, why := range []refusal{unknownIdentity, wrongKey, otherIdentity} {
				if seen[why] == nil {
					seen[why] = map[work]int{}
				}
				seen[why][workOf(t, refused(why, signs, r))]++
			}
		}
		first := seen[wrongKey]
		if len(first) != 1 {
			t.Errorf("signs %v: a wrong key costs %v", signs, first)
		}
		for why, costs := range seen {
			for c := range costs {
				if first[c] == 0 || c.octets == 0 {
					t.Errorf("signs %v: %s costs %+v, a wrong key %+v", signs, why, c, first)
				}
			}
		}
	}
}

// TestRefusalTimes measures how long it takes until a gateway answers the last message of
// each peer that it refuses, the kinds in turn, as many of each as REFUSALS says:
// docs/security.md has what it prints.
func TestRefusalTimes(t *testing.T) {
	rounds := 2 // shows that it measures
	if n, err := strconv.Atoi(os.Getenv("REFUSALS")); err == nil {
		rounds = n
	}
	r := rand.New(rand.NewPCG(1, 2))
	kinds := []refusal{unknownIdentity, wrongKey, otherIdentity}
	for _, way := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
		times := map[refusal][]time.Duration{}
		for range rounds {
			r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
			for _, why := range kinds {
				a, b, other := refusedPair(why, way[0], way[1], r)
				w := transcript.New(a, b, nil)
				w.A.Reseed(r.Uint64())
				w.A.Up()
				g := newGateway(r.Uint64(), []sa.Settings{*b, *other})
				g.timed = true
				g.refuses(t, w)
				times[why] = append(times[why], g.took)
			}
		}
		for _, why := range []refusal{unknownIdentity, otherIdentity, wrongKey} {
			d := times[why]
			slices.Sort(d)
			t.Logf("signs %-5v mixed %-5v %-30s quartiles %v %v %v of %d", way[0], way[1], why, d[len(d)/4], d[len(d)/2], d[3*len(d)/4], len(d))
		}
	}
}
