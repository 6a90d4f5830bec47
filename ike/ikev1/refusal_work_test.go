package ikev1

import (
	"crypto/elliptic"
	"net/netip"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/pki"
)

// With signatures the keys are made once, whether the identity of the peer is that of the
// first connection, of another, or of none.
func TestKeysAreMadeOnceForWhoSigns(t *testing.T) {
	root, strange := pki.Root("Root", pki.ECDSA(elliptic.P256())), pki.Root("Strange", pki.ECDSA(elliptic.P256()))
	now := pki.Valid(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	digests := map[string]int{}
	for _, name := range []string{"a.example", "c.example", "u.example"} {
		d := newDuo(t, func(a, b *sa.Settings) {
			certify(t, a, strange.Issue("a", pki.ECDSA(elliptic.P256()), pki.Names(name), now), name, "b.example", root.Certificate)
			certify(t, b, root.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names("b.example"), now), "b.example", "a.example", root.Certificate)
		})
		second := *d.b.settings
		second.Name, second.RemoteIdentity = "second", auth.Identity{Type: wire.IDFQDN, Data: "c.example"}
		d.b.acceptor.cfg.Candidates = func(_, _ netip.Addr) []*sa.Settings { return []*sa.Settings{d.b.settings, &second} }
		d.a.up()
		for n := 0; len(d.wire) > 0; n++ {
			p := d.wire[0]
			d.wire = d.wire[1:]
			if n == 4 { // the peer's identity
				h := d.b.acceptor.halves[0]
				h.prf = h.prf.Observed(func(int) { digests[name]++ })
			}
			p.to.receive(p)
		}
		if len(d.b.m.sas) > 0 || d.b.reason() == "" {
			t.Errorf("%s is not refused", name)
		}
	}
	if n := digests["a.example"]; n == 0 || digests["c.example"] != n || digests["u.example"] != n {
		t.Errorf("digests: %v", digests)
	}
}
