package ikev2_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"causeway/ike/auth"
	"causeway/ike/cookie"
	"causeway/ike/ikev2"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// gateway is an acceptor and the machines of its connections. It notes what it does for a
// peer: what can be seen on the network, or by a clock.
type gateway struct {
	acceptor *ikev2.Acceptor
	machines map[string]*ikev2.Machine
	checks   []string // of signatures, in any order
	digests  [2]int   // how many writes, of how many octets
	steps    []string // jobs and messages, and what is reported before an answer
	answer   []byte
	handed   bool // to a connection
	failures []*sa.Failure
	timed    bool // and digests are not counted
	began    time.Time
	took     time.Duration // until the answer
}

func newGateway(seed uint64, connections []sa.Settings) *gateway {
	g := &gateway{machines: map[string]*ikev2.Machine{}}
	var all []*sa.Settings
	source := mathrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	for _, c := range connections {
		if c.Trust != nil {
			c.Trust = c.Trust.Observed(func(what string) { g.checks = append(g.checks, what) })
		}
		all = append(all, &c)
		g.machines[c.Name] = ikev2.New(ikev2.Config{Settings: &c, Random: source, Strict: true,
			AllocateSPI: func(int) (uint32, error) { return 256, nil }})
	}
	gate, err := cookie.New(cookie.Config{Random: rand.Reader})
	if err != nil {
		panic(err)
	}
	g.acceptor = ikev2.NewAcceptor(ikev2.AcceptorConfig{Gate: gate, Random: source,
		Candidates: func(_, _ netip.Addr) []*sa.Settings { return all }})
	return g
}

// step performs what a machine or the acceptor does, and forgets what was noted before.
func (g *gateway) step(m interface {
	Step([]sa.Action, time.Time, sa.Event) []sa.Action
}, ev sa.Event) {
	sent := false
	for _, act := range m.Step(nil, transcript.Epoch, ev) {
		switch act := act.(type) {
		case sa.Emit:
			switch r := act.Report.(type) {
			case sa.Failed:
				if sent { // what a step does takes time before what it sends is sent
					g.steps = append(g.steps, "words with the answer")
				}
				g.failures = append(g.failures, r.Failure)
			case sa.MessageDropped: // a failure that is no news
				g.failures = append(g.failures, &sa.Failure{Reason: r.Reason, Message: r.Detail})
			}
			if g.answer == nil {
				g.steps = append(g.steps, fmt.Sprintf("%T", act.Report))
			}
		case sa.Send:
			sent, g.answer, g.took = true, act.Bytes, time.Since(g.began)
			g.steps = append(g.steps, fmt.Sprintf("sends %d octets", len(act.Bytes)))
		case sa.StartWork:
			g.steps = append(g.steps, fmt.Sprintf("%T %v %v", act.Job, act.Stranger, act.Waits))
			g.step(m, sa.WorkDone{Ticket: act.Ticket, Result: act.Job.Run()})
		case sa.Handover:
			g.handed = true
			g.step(g.machines[act.Connection], sa.Adopt{Half: act.Half})
		default:
			g.steps = append(g.steps, fmt.Sprintf("%T", act))
		}
	}
}

// refuses is what the gateway does about the IKE_AUTH of a peer that it refuses.
func (g *gateway) refuses(t rapid.TB, peer *transcript.World) string {
	t.Helper()
	for range 2 {
		if len(peer.Network) == 0 {
			return "he cannot sign so"
		}
		p := peer.Drop(0)
		g.answer, g.steps, g.checks, g.failures, g.digests = nil, nil, nil, nil, [2]int{}
		if !g.timed {
			g.acceptor.Observe(func(n int) { g.digests[0]++; g.digests[1] += n })
		}
		g.began = time.Now()
		g.step(g.acceptor, sa.Datagram{Raw: p.Bytes, Local: p.Destination, Remote: p.Source})
		if g.answer == nil {
			t.Fatalf("no answer: %v", g.steps)
		}
		peer.A.Receive(sa.Datagram{Raw: g.answer, Local: p.Source, Remote: p.Destination})
	}
	if slices.Contains(g.steps, "words with the answer") || len(g.failures) != 1 || len(peer.A.Inbound) > 0 || g.handed {
		t.Fatalf("it is not refused once, by the acceptor, and without words: %v %+v", g.steps, g.failures)
	}
	slices.Sort(g.checks)
	return fmt.Sprintf("%s; checks: %s; %d digests of %d octets", strings.Join(g.steps, ", "), strings.Join(g.checks, ", "), g.digests[0], g.digests[1])
}

// issuers are authorities that candidates trust. Twin and Renewed have the name of Root, and
// Sub is below Root and an authority of its own.
var issuers = func() map[string]*x509.Certificate {
	all := transcript.Authorities()
	return map[string]*x509.Certificate{
		"Root": all.Root.Certificate, "Sub": all.Sub.Certificate, "Other": all.Other.Certificate,
		"Twin":    transcript.Namesake("Root", all.Key("p256", "twin")).Certificate,
		"Renewed": transcript.Namesake("Root", all.Root.Key).Certificate,
	}
}()

var rawKeys = func() map[string]crypto.Signer {
	out := map[string]crypto.Signer{}
	for _, n := range []string{"p256", "p256 another", "p384", "p521", "ed25519", "rsa", "rsa another"} {
		kind, _, _ := strings.Cut(n, " ")
		out[n] = transcript.Authorities().Key(kind, n)
	}
	return out
}()

func names[T any](m map[string]T) []string {
	var out []string
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// some draws a part of what has names.
func some(t *rapid.T, from []string, least, most int, label string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), least, most, rapid.ID[string]).Draw(t, label)
}

// candidate draws how one of the connections has its peer authenticate.
func candidate(t *rapid.T, b sa.Settings, i int) sa.Settings {
	b.Name, b.RemoteIdentity = fmt.Sprintf("connection-%d", i), transcript.Identity(fmt.Sprintf("k%d.example", i))
	b.PSK = auth.NewSecret([]byte(fmt.Sprintf("the key of connection %d", i)))
	schemes := rapid.SampledFrom([][]auth.Scheme{nil, nil, {auth.Ed25519}, {auth.ECDSASHA256, auth.RSASHA256}, {auth.ECDSASHA384}}).Draw(t, "schemes")
	var authorities []*x509.Certificate
	var keys []crypto.PublicKey
	kind := rapid.SampledFrom([]string{"psk", "certificates", "certificates", "keys", "both"}).Draw(t, "kind")
	if kind == "certificates" || kind == "both" {
		for _, n := range some(t, names(issuers), 1, 2, "authorities") {
			authorities = append(authorities, issuers[n])
		}
	}
	if kind == "keys" || kind == "both" {
		for _, n := range some(t, names(rawKeys), 1, 3, "keys") {
			keys = append(keys, rawKeys[n].Public())
		}
	}
	if kind != "psk" {
		trust, err := auth.NewTrust(authorities, keys, schemes)
		if err != nil {
			t.Fatal(err)
		}
		b.Trust = trust
	}
	if id := rapid.SampledFrom([]string{"", "quantum", "quantum", "photon"}).Draw(t, "PPK"); id != "" {
		b.PPK = &sa.PPK{ID: id, Secret: auth.NewSecret([]byte(fmt.Sprintf("the secret of connection %d", i))), Required: rapid.Bool().Draw(t, "required")}
	}
	if rapid.Bool().Draw(t, "wants no IDr of the peer's") {
		b.LocalIdentity = transcript.Identity("c.example")
	}
	return b
}

// stranger draws how somebody who has no key of the gateway's peers shows who he would be.
func stranger(t *rapid.T, a *sa.Settings) func(wire.Header, []wire.Payload) []wire.Payload {
	a.PSK, a.PPK = auth.NewSecret([]byte("a guess")), nil
	own := transcript.Authorities().Key(rapid.SampledFrom([]string{"p256", "p384", "ed25519", "rsa"}).Draw(t, "his key"), "stranger")
	switch shows := rapid.SampledFrom([]string{"psk", "certificate", "certificate", "certificate", "key"}).Draw(t, "shows"); shows {
	case "psk":
	case "certificate":
		// An authority of his own, with the name of one that may be trusted.
		name := rapid.SampledFrom([]string{"Root", "Sub", "Other", "Nobody"}).Draw(t, "issuer")
		h := transcript.Namesake(name, transcript.Authorities().Key("p256", "his authority")).Issue("gw", own)
		for _, n := range some(t, names(issuers), 0, 3, "shown besides") { // these are no secrets
			h.Above = append(h.Above, issuers[n])
		}
		a.Credentials = transcript.Credentials(h, nil)
	case "key":
		a.Credentials = transcript.RawCredentials(own, nil)
	}
	change := rapid.SampledFrom([]string{"", "", "", "", "", "", "no CERT", "no CERT", "another's key", "broken", "method", "no AUTH"}).Draw(t, "change")
	another := transcript.RawCredentials(rawKeys[rapid.SampledFrom(names(rawKeys)).Draw(t, "whose key")], nil).Payloads()[0]
	if id := rapid.SampledFrom([]string{"", "quantum", "quantum", "unknown"}).Draw(t, "names PPK"); id != "" {
		a.PPK = &sa.PPK{ID: id, Secret: auth.NewSecret([]byte("a guess, too")), Required: rapid.Bool().Draw(t, "insists")}
	}
	wrecks := rapid.Bool().Draw(t, "wrecks NO_PPK_AUTH")
	return func(h wire.Header, ps []wire.Payload) []wire.Payload {
		for i, p := range ps {
			proof, isProof := p.(*wire.Authentication)
			n, isNotify := p.(*wire.Notify)
			_, isCert := p.(*wire.Certificate)
			switch {
			case h.Exchange != wire.ExchangeIKEAuth:
			case isCert && change == "another's key":
				ps[i] = another
			case isProof && change == "broken":
				ps[i] = &wire.Authentication{Method: proof.Method, Data: slices.Concat(proof.Data[:len(proof.Data)-1], []byte{proof.Data[len(proof.Data)-1] ^ 1})}
			case isProof && change == "method":
				ps[i] = &wire.Authentication{Method: wire.AuthECDSA256, Data: make([]byte, 64)}
			case isNotify && wrecks && n.NotifyType == wire.NotifyNoPPKAuth:
				ps[i] = &wire.Notify{NotifyType: n.NotifyType, Data: []byte("nothing")}
			}
		}
		return slices.DeleteFunc(ps, func(p wire.Payload) bool {
			_, isCert := p.(*wire.Certificate)
			_, isProof := p.(*wire.Authentication)
			return isCert && change == "no CERT" || isProof && change == "no AUTH"
		})
	}
}

// Whatever connections there are, and whatever a stranger shows: that his identity is
// known is not to be seen by what refusing him costs, or by what is sent.
func TestRefusalsTellNothing(t *testing.T) {
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		rapid.Check(t, refusalsTellNothing)
	}
}

func refusalsTellNothing(t *rapid.T) {
	a, b := transcript.Pair()
	var all []sa.Settings
	for i := range rapid.IntRange(2, 4).Draw(t, "connections") {
		all = append(all, candidate(t, *b, i))
	}
	faulty := stranger(t, a)
	seed := rapid.Uint64().Draw(t, "seed")
	if rapid.Bool().Draw(t, "asks for nobody") {
		a.RemoteIdentity = transcript.Identity("z.example")
	}
	attempt := func(identity string) string {
		as := *a
		as.LocalIdentity = transcript.Identity(identity)
		w := transcript.New(&as, b, nil)
		w.A.Faulty = faulty
		w.A.Up()
		return newGateway(seed, all).refuses(t, w)
	}
	unknown := attempt("u0.example")
	for i := range len(all) + 1 { // the last is another that nobody has
		id := fmt.Sprintf("k%d.example", i)
		if got := attempt(id); got != unknown {
			t.Fatalf("as %s:\n%s\nas u0.example:\n%s", id, got, unknown)
		}
	}
}
