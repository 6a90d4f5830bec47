package ikev1

import (
	"bytes"
	"crypto/elliptic"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/test/pki"
)

const password = "a password that nobody else has"

// login has a log in at b.
func login(a, b *sa.Settings) {
	a.XAUTH = &sa.XAUTH{User: "alice", Password: auth.NewSecret([]byte(password))}
	b.XAUTH = &sa.XAUTH{Users: map[string]auth.Secret{"alice": auth.NewSecret([]byte(password)), "bob": auth.NewSecret([]byte("another"))}}
}

var given = netip.MustParseAddr("10.1.9.9")

// address has b give a an address, for all traffic of its network.
func address(push bool) func(a, b *sa.Settings) {
	return func(a, b *sa.Settings) {
		a.ModeConfig, b.ModeConfig = sa.ModeConfig{Request: true}, sa.ModeConfig{Assign: netip.PrefixFrom(given, 32), Push: push}
		b.Children[0].Remote = selector.List{selector.FromPrefix(netip.PrefixFrom(given, 32))}
	}
}

func TestXAUTH(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P384()))
	now := pki.Valid(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	for name, change := range map[string]func(a, b *sa.Settings){
		"main": func(_, _ *sa.Settings) {}, "aggressive": aggressive,
		"certificates": func(a, b *sa.Settings) {
			certify(t, a, root.Issue("a", pki.RSA(2048, 1), pki.Names("a.example"), now), "a.example", "b.example", root.Certificate)
			certify(t, b, root.Issue("b", pki.RSA(2048, 2), pki.Names("b.example"), now), "b.example", "a.example", root.Certificate)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDuo(t, login, change)
			d.a.up()
			d.settle()
			d.wantUp()
			d.advance(30 * time.Hour) // new ones need a login as well
			d.wantUp()
			for _, e := range []*end{d.a, d.b} {
				for _, raw := range e.out {
					if bytes.Contains(raw, []byte(password)) {
						t.Error("the password can be read")
					}
				}
				if text := fmt.Sprintf("%+v", e.reports); strings.Contains(text, password) {
					t.Error("the password is reported")
				}
			}
		})
	}
}

func TestXAUTHIsDemanded(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(a, b *sa.Settings)
		a, b sa.Reason
	}{
		{"a wrong password", func(a, _ *sa.Settings) { a.XAUTH.Password = auth.NewSecret([]byte("another")) }, sa.ReasonAuthenticationFailed, sa.ReasonAuthenticationFailed},
		{"an unknown user", func(a, _ *sa.Settings) { a.XAUTH.User = "mallory" }, sa.ReasonAuthenticationFailed, sa.ReasonAuthenticationFailed},
		{"an empty password of an unknown user", func(a, _ *sa.Settings) { a.XAUTH = &sa.XAUTH{User: "mallory"} }, sa.ReasonAuthenticationFailed, sa.ReasonAuthenticationFailed},
		{"only the client knows of it", func(_, b *sa.Settings) { b.XAUTH = nil }, sa.ReasonProposalMismatch, sa.ReasonAuthenticationFailed},
		{"only the server knows of it", func(a, _ *sa.Settings) { a.XAUTH = nil }, sa.ReasonProposalMismatch, sa.ReasonAuthenticationFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDuo(t, login, c.make)
			d.a.up()
			d.advance(20 * time.Second)
			if a, b := d.a.reason(), d.b.reason(); a != c.a || b != c.b {
				t.Errorf("a says %q and b %q, want %q and %q\n%s", a, b, c.a, c.b, d.failures())
			}
			for _, e := range []*end{d.a, d.b} {
				if len(e.inbound) != 0 || e.m.current() != nil {
					t.Errorf("%s has SAs", e.name)
				}
				for _, r := range e.reports {
					if _, ok := r.(sa.IKEEstablished); ok {
						t.Errorf("%s reports an IKE SA", e.name)
					}
				}
			}
		})
	}
}

// TestNothingBeforeTheLogin: a peer that passed phase 1 gets no Child SA and no
// address without a login, whatever it asks for.
func TestNothingBeforeTheLogin(t *testing.T) {
	d := newDuo(t, login, func(_, b *sa.Settings) { b.ModeConfig.Assign = netip.PrefixFrom(given, 32) })
	d.a.up()
	for len(d.b.m.sas) == 0 || !d.b.m.sas[0].proven || !d.a.m.sas[0].proven {
		p := d.wire[0]
		d.wire = d.wire[1:]
		p.to.receive(p)
	}
	d.wire = nil // the question is lost
	sent := len(d.b.out)
	s := d.a.m.sas[0]
	w := d.a.settings.Children[0]
	forge := func(ex isakmp.ExchangeType, id uint32, ps ...isakmp.Payload) {
		all, err := s.hashed(id, nil, ps)
		if err != nil {
			t.Fatal(err)
		}
		raw, _, err := s.seal(s.header(ex, id), all, phaseTwoIV(s, id))
		if err != nil {
			t.Fatal(err)
		}
		d.b.receive(packet{d.b, s.remote, s.local, raw})
	}
	suites, _ := d.a.m.quickSuites("net")
	forge(isakmp.ExchangeQuick, 7, offerPhaseTwo(suites, 1234, sa.Lifetime{}, []uint16{s.association.mode()}), &isakmp.Nonce{Data: make([]byte, 32)}, idOf(w.Local[0]), idOf(w.Remote[0]))
	forge(isakmp.ExchangeTransaction, 8, &isakmp.Configuration{ConfigType: isakmp.ConfigRequest, Attributes: []isakmp.Attribute{{Type: isakmp.ConfigIPv4Address}}})
	// Nor does a status that the client makes up log it in.
	forge(isakmp.ExchangeTransaction, 9, &isakmp.Configuration{ConfigType: isakmp.ConfigSet, Attributes: []isakmp.Attribute{isakmp.Short(isakmp.XAUTHStatus, 1)}})
	if len(d.b.out) != sent || len(d.b.inbound) != 0 || d.b.m.sas[0].completed {
		t.Errorf("b sent %d messages and has %d Child SAs", len(d.b.out)-sent, len(d.b.inbound))
	}
	d.advance(time.Minute) // the question comes again, and is answered
	d.wantUp()
}

func TestXAUTHSurvivesLoss(t *testing.T) {
	for i := 1; i <= 18; i++ {
		d := newDuo(t, login, address(false))
		d.lose = func(n int) bool { return n == i }
		d.a.up()
		d.advance(90 * time.Second)
		d.wantUp()
	}
}

// TestXAUTHIsTakenAway: the settings change while the peer looks at a login that it
// refuses then.
func TestXAUTHIsTakenAway(t *testing.T) {
	d := newDuo(t, login, func(a, _ *sa.Settings) { a.XAUTH.Password = auth.NewSecret([]byte("another")) })
	d.a.up()
	for len(d.a.m.sas) == 0 || d.a.m.sas[0].served == nil {
		p := d.wire[0]
		d.wire = d.wire[1:]
		p.to.receive(p)
	}
	without := *d.a.settings
	without.XAUTH = nil
	d.a.m.Reconfigure(&without)
	d.advance(3 * time.Minute)
	if d.a.m.current() != nil {
		t.Error("a has an ISAKMP SA that b refused")
	}
}

// TestAnswerToATransactionIsAuthentic: who asks for a login takes no answer whose HASH is
// wrong, whatever it decrypts to.
func TestAnswerToATransactionIsAuthentic(t *testing.T) {
	for right, hash := range map[bool]func([]byte) []byte{false: wrong, true: same} {
		d := newDuo(t, login)
		d.a.up()
		for len(d.b.m.sas) == 0 || d.b.m.sas[0].asked == nil {
			p := d.wire[0]
			d.wire = d.wire[1:]
			p.to.receive(p)
		}
		s := d.b.m.sas[0]
		asked := s.asked
		reply := &isakmp.Configuration{ConfigType: isakmp.ConfigReply, Attributes: []isakmp.Attribute{
			{Type: isakmp.XAUTHUser, Value: []byte("alice")}, {Type: isakmp.XAUTHPassword, Value: []byte(password)}}}
		all, err := s.hashed(asked.id, nil, []isakmp.Payload{reply})
		if err != nil {
			t.Fatal(err)
		}
		h := all[0].(*isakmp.Hash)
		h.Data = hash(h.Data)
		raw, _, err := s.seal(s.header(isakmp.ExchangeTransaction, asked.id), all, asked.iv)
		if err != nil {
			t.Fatal(err)
		}
		d.b.receive(packet{d.b, s.local, s.remote, raw})
		if taken := s.asked != asked; taken != right {
			t.Errorf("the HASH is right: %v; b takes the answer: %v", right, taken)
		}
	}
}

// TestTransactionsAreAnsweredOnce: an attribute that is asked for many times has
// one answer.
func TestTransactionsAreAnsweredOnce(t *testing.T) {
	d := newDuo(t, login, address(false))
	many := func(types ...uint16) *isakmp.Configuration {
		p := &isakmp.Configuration{ConfigType: isakmp.ConfigRequest}
		for range 1000 {
			for _, typ := range types {
				p.Attributes = append(p.Attributes, isakmp.Attribute{Type: typ})
			}
		}
		return p
	}
	for _, c := range []struct {
		of    *end
		types []uint16
	}{
		{d.a, []uint16{isakmp.XAUTHUser, isakmp.XAUTHPassword}},
		{d.b, []uint16{isakmp.ConfigIPv4Address, isakmp.UnitySplitInclude}},
	} {
		if out, ok := (&ikeSA{m: c.of.m}).answerRequest(many(c.types...)); !ok || len(out) != len(c.types) {
			t.Errorf("%s answers with %d attributes, %v", c.of.name, len(out), ok)
		}
	}
}

// TestLoginsAreBounded: five wrong passwords in a row close the door for a
// minute, for the right one as well.
func TestLoginsAreBounded(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var l logins
	for range mostWrong {
		if !l.open(now) {
			t.Fatal("closed too early")
		}
		l.note(false, now)
	}
	if l.open(now) || l.open(now.Add(wrongWait-time.Second)) || !l.open(now.Add(wrongWait)) {
		t.Error("five wrong passwords, and the door is open, or shut for ever")
	}
	l = logins{wrong: mostWrong - 1}
	l.note(true, now)
	if l.wrong != 0 {
		t.Error("a right password forgets nothing")
	}
}

func TestModeConfig(t *testing.T) {
	for name, change := range map[string][]func(a, b *sa.Settings){
		"pulled": {address(false)}, "pushed": {address(true)}, "after a login": {login, address(false)},
		"aggressive, after a login": {aggressive, login, address(true)},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDuo(t, change...)
			d.a.up()
			d.settle()
			d.wantUp()
			want := selector.List{selector.FromPrefix(netip.PrefixFrom(given, 32))}
			if c := d.a.m.Snapshot().Children[0].Child; !c.LocalSelectors.Equal(want) {
				t.Errorf("ours in the tunnel is %v", c.LocalSelectors)
			}
			if n := len(slices.DeleteFunc(slices.Clone(d.a.reports), func(r sa.Report) bool { _, ok := r.(sa.AddressAssigned); return !ok })); n != 1 {
				t.Errorf("%d reports of the address", n)
			}
			d.advance(30 * time.Hour)
			d.wantUp()
		})
	}
	t.Run("none to give", func(t *testing.T) {
		d := newDuo(t, address(false), func(_, b *sa.Settings) { b.ModeConfig = sa.ModeConfig{} })
		d.a.up()
		d.advance(3 * time.Minute)
		if r := d.a.reason(); r != sa.ReasonTimeout {
			t.Errorf("a says %q\n%s", r, d.failures())
		}
	})
}

// TestAddressesThatAreNone: what cannot be an address of ours is refused.
func TestAddressesThatAreNone(t *testing.T) {
	for _, value := range [][]byte{nil, {0, 0, 0, 0}, {127, 0, 0, 1}, {224, 0, 0, 1}, {1, 2, 3}, make([]byte, 16)} {
		d := newDuo(t, address(false))
		d.a.up()
		s := &ikeSA{m: d.a.m}
		if s.take(&isakmp.Configuration{Attributes: []isakmp.Attribute{{Type: isakmp.ConfigIPv4Address, Value: value}}}) {
			t.Errorf("%v is taken", value)
		}
	}
}

// TestPeersWithoutALoginAreBounded: whoever has the key of a group can make ISAKMP SAs that
// wait for a login. They are bounded, and close none of who logged in.
func TestPeersWithoutALoginAreBounded(t *testing.T) {
	d := newDuo(t, login)
	d.a.up()
	d.settle()
	d.wantUp()
	up := d.b.m.current()
	for i := range 3 * maxEstablished {
		d.a.random.Seed([32]byte{1, byte(i)})
		d.a.restart()
		d.a.up()
		for len(d.wire) > 0 {
			p := d.wire[0]
			d.wire = d.wire[1:]
			if h, _ := isakmp.ParseHeader(p.raw); h.Exchange != isakmp.ExchangeTransaction { // it does not answer b
				p.to.receive(p)
			}
		}
	}
	waiting := 0
	for _, s := range d.b.m.sas {
		if s.proven && !s.completed {
			waiting++
		}
	}
	if waiting != maxEstablished {
		t.Errorf("%d wait for a login, want %d", waiting, maxEstablished)
	}
	if !slices.Contains(d.b.m.sas, up) {
		t.Error("who logged in lost the ISAKMP SA")
	}
}

// After too many wrong passwords the right one is not taken for a minute, and a login that
// is refused opens nothing, though the peer does not say that it heard so.
func TestRefusedLoginOpensNothing(t *testing.T) {
	closed := newDuo(t, login)
	closed.b.m.logins.until = closed.a.duo.now.Add(wrongWait)
	closed.a.up()
	closed.settle()
	if len(closed.b.inbound) != 0 {
		t.Error("the right password is taken while the door is shut")
	}
	d := newDuo(t, login, func(a, b *sa.Settings) {
		a.XAUTH.Password = auth.NewSecret([]byte("a guess"))
		b.ModeConfig.Assign = netip.PrefixFrom(given, 32)
	})
	d.a.up()
	for d.b.m.logins.wrong == 0 {
		p := d.wire[0]
		d.wire = d.wire[1:]
		p.to.receive(p)
	}
	d.wire = nil // a acknowledges nothing
	sent, s := len(d.b.out), d.a.m.sas[0]
	all, err := s.hashed(8, nil, []isakmp.Payload{&isakmp.Configuration{ConfigType: isakmp.ConfigRequest, Attributes: []isakmp.Attribute{{Type: isakmp.ConfigIPv4Address}}}})
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := s.seal(s.header(isakmp.ExchangeTransaction, 8), all, phaseTwoIV(s, 8))
	if err != nil {
		t.Fatal(err)
	}
	d.b.receive(packet{d.b, s.remote, s.local, raw})
	if len(d.b.out) != sent || d.b.m.sas[0].completed {
		t.Errorf("b sends %d messages to a peer whose login it refused", len(d.b.out)-sent)
	}
}
