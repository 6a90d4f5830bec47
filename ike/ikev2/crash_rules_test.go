package ikev2_test

import (
	"bytes"
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/ikev2"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// lostState is what an end shows that lost the IKE SA: INVALID_IKE_SPI, and these payloads.
func lostState(t *testing.T, ike sa.IKEStatus, flags wire.Flags, ps ...wire.Payload) []byte {
	t.Helper()
	m := wire.Message{Header: wire.Header{InitiatorSPI: ike.SPIi, ResponderSPI: ike.SPIr, Exchange: wire.ExchangeInformational,
		Flags: flags, MessageID: 2}, Payloads: append([]wire.Payload{notify(wire.NotifyInvalidIKESPI, 0, nil)}, ps...)}
	raw, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func tokenOf(b byte, n int) *wire.Notify {
	return &wire.Notify{Protocol: 1, NotifyType: wire.NotifyQuickCrashDetection, Data: bytes.Repeat([]byte{b}, n)}
}

// A token has 16 to 128 octets; what is shorter or longer is none, and is not taken where
// crash detection is off (RFC 6290 §4.1, §8.1).
func TestLengthsOfTokens(t *testing.T) {
	for _, on := range []bool{true, false} {
		for n, valid := range map[int]bool{0: false, 15: false, 16: true, 128: true, 129: false} {
			a, b := transcript.Pair()
			a.CrashDetection, b.CrashDetection = true, on
			w := transcript.New(a, b, nil)
			w.Stand()
			ike := w.B.Machine.Snapshot().IKE[0]
			if got := forge(w, wire.ExchangeInformational, tokenOf(9, n)); got != "" {
				t.Fatalf("b answers %s", got)
			}
			w.B.Receive(sa.Datagram{Raw: lostState(t, ike, wire.FlagResponse|wire.FlagInitiator, tokenOf(9, n)), Local: atB, Remote: atA})
			if ended := !up(w.B); ended != (valid && on) {
				t.Errorf("a token of %d octets, detection %v: it ends the IKE SA %v", n, on, ended)
			}
		}
	}
}

// Of the payloads of a message that shows tokens 30 are looked at, and only those of an
// answer (RFC 6290 §4.5).
func TestTokensThatCount(t *testing.T) {
	for name, c := range map[string]struct {
		before int
		flags  wire.Flags
		ends   bool
	}{
		"the 29th":     {28, wire.FlagResponse | wire.FlagInitiator, true},
		"the 31st":     {30, wire.FlagResponse | wire.FlagInitiator, false},
		"of a request": {0, wire.FlagInitiator, false},
	} {
		a, b := transcript.Pair()
		a.CrashDetection, b.CrashDetection = true, true
		w := transcript.New(a, b, nil)
		w.Stand()
		ike := w.B.Machine.Snapshot().IKE[0]
		forge(w, wire.ExchangeInformational, tokenOf(9, 32))
		var ps []wire.Payload
		for range c.before {
			ps = append(ps, tokenOf(1, 32))
		}
		w.B.Receive(sa.Datagram{Raw: lostState(t, ike, c.flags, append(ps, tokenOf(9, 32))...), Local: atB, Remote: atA})
		if ended := !up(w.B); ended != c.ends {
			t.Errorf("%s: the token ends the IKE SA %v", name, ended)
		}
	}
}

// An end without a secret says INVALID_IKE_SPI all the same; a token is of both SPIs (RFC
// 6290 §4.2, §5.1). ESP of an unknown SPI is told of where a connection detects crashes,
// and not often (§4.6).
func TestWhatIsSaidAfterACrash(t *testing.T) {
	candidate, _ := transcript.Pair()
	candidate.CrashDetection = true
	acceptor := func(secret []byte, candidates ...*sa.Settings) *ikev2.Acceptor {
		gate, err := cookie.New(cookie.Config{Random: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		return ikev2.NewAcceptor(ikev2.AcceptorConfig{Gate: gate, Random: rand.Reader, CrashSecret: secret,
			Candidates: func(netip.Addr, netip.Addr) []*sa.Settings { return candidates }})
	}
	sent := func(actions []sa.Action) (out []*wire.Message) {
		for _, act := range actions {
			if s, ok := act.(sa.Send); ok {
				m, err := wire.ParseMessage(s.Bytes)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, m)
			}
		}
		return out
	}
	ask := func(a *ikev2.Acceptor, spiI, spiR uint64) []*wire.Message {
		raw := protected(t, wire.Header{InitiatorSPI: spiI, ResponderSPI: spiR, Exchange: wire.ExchangeInformational, Flags: wire.FlagInitiator, MessageID: 5})
		return sent(a.Step(nil, time.Unix(0, 0), sa.Datagram{Raw: raw, Local: atB, Remote: atA}))
	}
	if m := ask(acceptor(nil, candidate), 1, 2); len(m) != 1 || m[0].Summary() != "N(INVALID_IKE_SPI)" || m[0].MessageID != 5 {
		t.Errorf("without a secret %v is said", m)
	}
	tokens := map[string]bool{}
	with := acceptor([]byte("secret"), candidate)
	for _, spis := range [][2]uint64{{1, 2}, {3, 2}, {1, 4}} {
		m := ask(with, spis[0], spis[1])
		if len(m) != 1 {
			t.Fatalf("%d answers", len(m))
		}
		if n := wire.FindNotify(m[0].Payloads, wire.NotifyQuickCrashDetection); n != nil {
			tokens[string(n.Data)] = true
		}
	}
	if len(tokens) != 3 {
		t.Errorf("%d tokens for three pairs of SPIs", len(tokens))
	}
	off := *candidate
	off.CrashDetection = false
	for _, c := range []*sa.Settings{candidate, &off} {
		a, n := acceptor(nil, c), 0
		for range 1000 {
			n += len(sent(a.Step(nil, time.Unix(0, 0), sa.UnknownSPI{SPI: 7, Local: atB, Remote: atA})))
		}
		if c.CrashDetection && (n == 0 || n > 40) || !c.CrashDetection && n > 0 {
			t.Errorf("detection %v: %d packets of 1000 are told of", c.CrashDetection, n)
		}
	}
}

// Who does not send on the SPI that somebody says is unknown asks nothing (RFC 6290 §4.6).
func TestDoubtOfAnotherSPI(t *testing.T) {
	w := crashing(t)
	spi := w.A.Outbound[0].SPIOut
	w.A.Step(sa.Doubted{SPI: spi + 1})
	if len(w.Network) != 0 {
		t.Error("a asks because of an SPI that it does not send on")
	}
	w.A.Step(sa.Doubted{SPI: spi})
	if len(w.Network) != 1 {
		t.Errorf("a asks %d times because of its SPI", len(w.Network))
	}
}
