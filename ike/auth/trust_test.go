package auth

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/ike/wire"
	"causeway/test/pki"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

var octets = []byte("what AUTH covers")

func trust(t testing.TB, roots ...*pki.Holder) *Trust {
	t.Helper()
	var list []*x509.Certificate
	for _, r := range roots {
		c, err := ParseCertificate(r.Certificate.Raw)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	out, err := NewTrust(list, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// prove is what a peer with these credentials sends.
func prove(t testing.TB, h *pki.Holder, chain ...*x509.Certificate) ([]*wire.Certificate, *wire.Authentication) {
	t.Helper()
	c, err := NewCredentials(h.Key, append([]*x509.Certificate{h.Certificate}, chain...), nil)
	if err != nil {
		t.Fatal(err)
	}
	choice, problem := c.Choose(Hashes(DefaultSchemes()))
	if problem != nil {
		t.Fatal(problem)
	}
	data, err := c.Sign(choice, rand.Reader, octets)
	if err != nil {
		t.Fatal(err)
	}
	var shown []*wire.Certificate
	for _, p := range c.Payloads() {
		if cert, ok := p.(*wire.Certificate); ok {
			shown = append(shown, cert)
		}
	}
	return shown, &wire.Authentication{Method: choice.Method, Data: data}
}

// verdict is the reason that a peer is refused for, or "".
func verdict(t testing.TB, tr *Trust, at time.Time, id string, h *pki.Holder) Reason {
	t.Helper()
	shown, proof := prove(t, h, h.Above...)
	_, p := tr.Verify(at, shown, identity(t, id), proof, octets)
	if p == nil {
		return ""
	}
	if p.Message == "" || p.Hint == "" && p.Reason != ReasonCertificateUntrusted {
		t.Errorf("%s explains nothing: %+v", p.Reason, p)
	}
	t.Logf("%s: %s (ours: %s; peer: %s; %s)", p.Reason, p.Message, p.Local, p.Remote, p.Hint)
	return p.Reason
}

func TestChains(t *testing.T) {
	p256 := func() crypto.Signer { return pki.ECDSA(elliptic.P256()) }
	root, other := pki.Root("Root", p256()), pki.Root("Other", p256())
	sub := root.Authority("Sub", pki.RSA(2048, 0))
	subsub := sub.Authority("Sub sub", pki.Ed25519())
	name := pki.Names("b.example")
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	usage := func(u ...x509.ExtKeyUsage) pki.Change { return func(c *x509.Certificate) { c.ExtKeyUsage = u } }
	unknown := func(o asn1.ObjectIdentifier) pki.Change {
		return func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{o} }
	}
	twin := pki.Root("Root", p256())
	short := root.Authority("Short", p256(), func(c *x509.Certificate) { c.MaxPathLenZero = true })
	noCA := root.Issue("No authority", p256(), name)
	mail := root.Authority("Mail only", p256(), usage(x509.ExtKeyUsageEmailProtection))
	expiredSub := root.Authority("Expired", p256(), pki.Valid(year(2025), year(2026)))
	for _, c := range []struct {
		name string
		peer *pki.Holder
		at   time.Time
		want Reason
	}{
		{"by the root, RSA", root.Issue("b", pki.RSA(2048, 1), name), noon, ""},
		{"by the root, Ed25519", root.Issue("b", pki.Ed25519(), name), noon, ""},
		{"by a sub-authority", sub.Issue("b", p256(), name), noon, ""},
		{"by a sub-authority of one", subsub.Issue("b", pki.ECDSA(elliptic.P521()), name), noon, ""},
		{"intermediates missing", &pki.Holder{Certificate: subsub.Issue("b", p256(), name).Certificate, Key: nil}, noon, ReasonCertificateUntrusted},
		{"another authority", other.Issue("b", p256(), name), noon, ReasonCertificateUntrusted},
		{"another authority of the same name", twin.Issue("b", p256(), name), noon, ReasonCertificateUntrusted},
		{"signed by itself", pki.Root("b", p256(), name), noon, ReasonCertificateUntrusted},
		{"expired", root.Issue("b", p256(), name, pki.Valid(year(2025), year(2026))), noon, ReasonCertificateExpired},
		{"not yet valid", root.Issue("b", p256(), name, pki.Valid(year(2027), year(2028))), noon, ReasonCertificateNotYetValid},
		{"valid at another time", root.Issue("b", p256(), name, pki.Valid(year(2027), year(2028))), year(2027), ""},
		{"an expired authority", expiredSub.Issue("b", p256(), name), noon, ReasonCertificateExpired},
		{"path too long", short.Authority("Below", p256()).Issue("b", p256(), name), noon, ReasonCertificateInvalid},
		{"issued by no authority", noCA.Issue("b", p256(), name), noon, ReasonCertificateUntrusted},
		{"for mail only", root.Issue("b", p256(), name, usage(x509.ExtKeyUsageEmailProtection)), noon, ReasonCertificateInvalid},
		{"an authority for mail only", mail.Issue("b", p256(), name), noon, ReasonCertificateInvalid},
		{"for TLS servers", root.Issue("b", p256(), name, usage(x509.ExtKeyUsageServerAuth)), noon, ""},
		{"for IPsec", root.Issue("b", p256(), name, unknown(oidIKE)), noon, ""},
		{"for IKE intermediate", root.Issue("b", p256(), name, unknown(oidIKEIntermediate)), noon, ""},
		{"for something unknown", root.Issue("b", p256(), name, unknown(asn1.ObjectIdentifier{1, 2, 3})), noon, ReasonCertificateInvalid},
		{"for encryption only", root.Issue("b", p256(), name, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), noon, ReasonCertificateInvalid},
		{"for signatures", root.Issue("b", p256(), name, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), noon, ""},
		{"with an unknown critical extension", root.Issue("b", p256(), name, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		}), noon, ReasonCertificateInvalid},
		{"without the name", root.Issue("b", p256(), pki.Names("c.example")), noon, ReasonCertificateIdentity},
		{"the name as common name only", root.Issue("b.example", p256()), noon, ReasonCertificateIdentity},
		{"a wildcard", root.Issue("b", p256(), pki.Names("*.example")), noon, ReasonCertificateIdentity},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.peer.Key == nil {
				whole := subsub.Issue("b", p256(), name)
				c.peer = &pki.Holder{Certificate: whole.Certificate, Key: whole.Key}
			}
			if got := verdict(t, trust(t, root), c.at, "b.example", c.peer); got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
	pinned := pki.Root("b", p256(), name, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageDigitalSignature })
	if got := verdict(t, trust(t, other, pinned), noon, "b.example", pinned); got != "" {
		t.Errorf("a certificate that is trusted by itself: %s", got)
	}
	if got := verdict(t, trust(t, sub), noon, "b.example", sub.Issue("b", p256(), name)); got != "" {
		t.Errorf("a sub-authority as anchor: %s", got)
	}
}

// TestWrongSignature: the certificate is good and somebody else's.
func TestWrongSignature(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	b, thief := root.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names("b.example")), root.Issue("c", pki.ECDSA(elliptic.P256()), pki.Names("c.example"))
	shown, _ := prove(t, b)
	_, proof := prove(t, thief)
	if _, p := trust(t, root).Verify(noon, shown, identity(t, "b.example"), proof, octets); p == nil || p.Reason != ReasonAuthenticationFailed {
		t.Errorf("%v", p)
	}
	_, proof = prove(t, b)
	if _, p := trust(t, root).Verify(noon, shown, identity(t, "b.example"), proof, []byte("other octets")); p == nil || p.Reason != ReasonAuthenticationFailed {
		t.Errorf("%v", p)
	}
	// The thief's own certificate behind the other's does not help.
	both, proof := prove(t, thief)
	if _, p := trust(t, root).Verify(noon, append(shown, both...), identity(t, "b.example"), proof, octets); p == nil || p.Reason != ReasonAuthenticationFailed {
		t.Errorf("%v", p)
	}
}

func TestIdentities(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	key := pki.ECDSA(elliptic.P256())
	tr := trust(t, root)
	peer := root.Issue("gw", key, pki.Names("b.example", "192.0.2.1", "2001:db8::1", "admin@b.example"))
	for id, want := range map[string]Reason{
		"b.example": "", "B.EXAMPLE": "", "192.0.2.1": "", "2001:db8::1": "", "admin@b.example": "",
		"C=CH, O=Example, CN=gw": "", "c=ch, o=example, cn=GW": "",
		"a.b.example": ReasonCertificateIdentity, "192.0.2.2": ReasonCertificateIdentity, "2001:db8::2": ReasonCertificateIdentity,
		"root@b.example": ReasonCertificateIdentity, "O=Example, CN=gw": ReasonCertificateIdentity, "C=CH, O=Example, CN=gw, CN=x": ReasonCertificateIdentity,
		"keyid:gw": ReasonCertificateIdentity, "keyid:b.example": ReasonCertificateIdentity, "gw": ReasonCertificateIdentity,
	} {
		if got := verdict(t, tr, noon, id, peer); got != want {
			t.Errorf("%s: %q", id, got)
		}
	}
	if s := (&Signer{Chain: []*x509.Certificate{peer.Certificate}}); s.Identify(Identity{}) == nil || s.Identify(Identity{Type: wire.IDNull}) == nil {
		t.Error("a certificate stands for any identity, or for none")
	}
	credentials, err := NewCredentials(key, peer.Chain(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for outer, want := range map[string]string{"192.0.2.1": "192.0.2.1", "198.51.100.1": "b.example"} {
		if got := credentials.Identity(netip.MustParseAddr(outer)).String(); got != want {
			t.Errorf("at %s we are %s", outer, got)
		}
	}
}

// TestCVE_2026_35331_NameConstraints is the matrix of constraints.
func TestCVE_2026_35331_NameConstraints(t *testing.T) {
	key := pki.ECDSA(elliptic.P256())
	root := pki.Root("Root", key)
	tr := trust(t, root)
	_, ten, err := net.ParseCIDR("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	directory := func(permitted, excluded []string) pki.Change {
		return func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidNameConstraints, Critical: true, Value: directoryTrees(t, permitted, excluded)})
		}
	}
	permit := func(f func(*x509.Certificate)) pki.Change {
		return func(c *x509.Certificate) { c.PermittedDNSDomainsCritical = true; f(c) }
	}
	const dn = "C=CH, O=Example, CN=gw"
	for _, c := range []struct {
		name      string
		change    pki.Change
		identity  string
		forbidden bool
	}{
		{"DNS permitted", permit(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example"} }), "b.example", false},
		{"DNS not permitted", permit(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"other.example"} }), "b.example", true},
		{"DNS suffix is no subtree", permit(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"xample"} }), "b.example", true},
		{"DNS excluded", permit(func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"EXAMPLE"} }), "b.example", true},
		{"DNS excluded elsewhere", permit(func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"other.example"} }), "b.example", false},
		{"IP permitted", permit(func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{ten} }), "10.1.1.1", false},
		{"IP not permitted", permit(func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{ten} }), "192.0.2.1", true},
		{"IP excluded", permit(func(c *x509.Certificate) { c.ExcludedIPRanges = []*net.IPNet{ten} }), "10.1.1.1", true},
		{"mail permitted", permit(func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"b.example"} }), "a@b.example", false},
		{"mail not permitted", permit(func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"c.example"} }), "a@b.example", true},
		{"mail excluded", permit(func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"a@b.example"} }), "a@b.example", true},
		{"DN permitted", directory([]string{"C=CH, O=Example"}, nil), dn, false},
		{"DN permitted, written in another way", directory([]string{"C=ch, O=EXAMPLE"}, nil), dn, false},
		{"DN not permitted", directory([]string{"C=CH, O=Other"}, nil), dn, true},
		{"DN constraint in the middle", directory([]string{"O=Example"}, nil), dn, true},
		{"DN longer than the name", directory([]string{dn + ", CN=x"}, nil), dn, true},
		{"DN excluded", directory(nil, []string{"C=CH"}), dn, true},
		{"DN excluded elsewhere", directory(nil, []string{"C=DE"}), dn, false},
		{"DN excluded though permitted", directory([]string{"C=CH"}, []string{dn}), dn, true},
		{"DN constraint and a DNS identity", directory([]string{"C=DE"}, nil), "b.example", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			sub := root.Authority("Sub", key, c.change)
			changes := []pki.Change{}
			if c.identity != dn {
				changes = append(changes, pki.Names(c.identity))
			}
			want := Reason("")
			if c.forbidden {
				want = ReasonCertificateInvalid
			}
			if got := verdict(t, tr, noon, c.identity, sub.Issue("gw", key, changes...)); got != want {
				t.Errorf("%q, not %q", got, want)
			}
			// One level further down the constraint holds as well.
			below := sub.Authority("Below", key, func(c *x509.Certificate) { c.RawSubject = sub.Certificate.RawSubject })
			if strings.HasPrefix(c.name, "DN") {
				return // the subject of the authority below counts, too
			}
			if got := verdict(t, tr, noon, c.identity, below.Issue("gw", key, changes...)); got != want {
				t.Errorf("one level down: %q, not %q", got, want)
			}
		})
	}
	// A kind of name that nobody holds against anything is refused.
	strange := root.Authority("Sub", key, func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: oidNameConstraints, Value: unhex(t, "3009 a007 3005 8803 2a0304")}}
	})
	if _, err := ParseCertificate(strange.Certificate.Raw); err == nil {
		t.Error("a constraint on registered IDs is ignored")
	}
	if got := verdict(t, tr, noon, "b.example", strange.Issue("b", key, pki.Names("b.example"))); got != ReasonCertificateUntrusted {
		t.Errorf("below an authority whose constraints are not understood: %q", got)
	}
}

func directoryTrees(t *testing.T, permitted, excluded []string) []byte {
	t.Helper()
	tree := func(tag int, names []string) []byte {
		var body []byte
		for _, n := range names {
			der, err := asn1.Marshal(struct {
				Base asn1.RawValue
			}{asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: generalDirectory, IsCompound: true, Bytes: []byte(identity(t, n).Data)}})
			if err != nil {
				t.Fatal(err)
			}
			body = append(body, der...)
		}
		if body == nil {
			return nil
		}
		der, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: body})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	der, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: append(tree(0, permitted), tree(1, excluded)...)})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestCVE_2020_16088_RawKeys: only the very key that is configured opens.
func TestCVE_2020_16088_RawKeys(t *testing.T) {
	right, wrong := pki.ECDSA(elliptic.P256()), pki.ECDSA(elliptic.P256())
	tr, err := NewTrust(nil, []crypto.PublicKey{pki.RSA(2048, 0).Public(), right.Public()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	raw := func(key crypto.Signer) []*wire.Certificate {
		c, err := NewCredentials(key, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, ok := c.Payloads()[0].(*wire.Certificate)
		if !ok || len(c.Payloads()) != 1 {
			t.Fatal("not one CERT payload")
		}
		return []*wire.Certificate{p}
	}
	sign := func(key crypto.Signer) *wire.Authentication {
		data, err := Choice{wire.AuthDigitalSignature, ECDSASHA256}.Sign(rand.Reader, key, octets)
		if err != nil {
			t.Fatal(err)
		}
		return &wire.Authentication{Method: wire.AuthDigitalSignature, Data: data}
	}
	certified, _ := prove(t, root.Issue("b", right, pki.Names("b.example")))
	stranger, _ := prove(t, root.Issue("b", wrong, pki.Names("b.example")))
	for _, c := range []struct {
		name  string
		shown []*wire.Certificate
		proof *wire.Authentication
		want  Reason
	}{
		{"the key", raw(right), sign(right), ""},
		{"the key, not shown", nil, sign(right), ""},
		{"the key, in a certificate", certified, sign(right), ""},
		{"another key", raw(wrong), sign(wrong), ReasonCertificateUntrusted},
		{"another key, not shown", nil, sign(wrong), ReasonSignatureUnsupported},
		{"another key, in a certificate", stranger, sign(wrong), ReasonCertificateUntrusted},
		{"the key shown, another used", raw(right), sign(wrong), ReasonAuthenticationFailed},
		{"the key behind another", append(raw(wrong), raw(right)...), sign(wrong), ReasonCertificateUntrusted},
		{"the key before another", append(raw(right), raw(wrong)...), sign(wrong), ReasonAuthenticationFailed},
		{"an empty key", []*wire.Certificate{{Encoding: wire.CertRawPublicKey}}, sign(right), ReasonCertificateInvalid},
		{"an unknown encoding", []*wire.Certificate{{Encoding: wire.CertPGP, Data: []byte{1}}}, sign(wrong), ReasonSignatureUnsupported},
	} {
		_, p := tr.Verify(noon, c.shown, identity(t, "b.example"), c.proof, octets)
		got := Reason("")
		if p != nil {
			got = p.Reason
		}
		if got != c.want {
			t.Errorf("%s: %v", c.name, p)
		}
	}
	// Where certificates are wanted, a raw key is none.
	if _, p := trust(t, root).Verify(noon, raw(right), identity(t, "b.example"), sign(right), octets); p == nil || p.Reason != ReasonCertificateMissing {
		t.Errorf("a raw key in place of a certificate: %v", p)
	}
	if _, p := trust(t, root).Verify(noon, nil, identity(t, "b.example"), sign(right), octets); p == nil || p.Reason != ReasonCertificateMissing {
		t.Errorf("no certificate: %v", p)
	}
	if _, p := trust(t, root).Verify(noon, []*wire.Certificate{{Encoding: wire.CertHashURLOfCert, Data: []byte("http://192.0.2.1/")}}, identity(t, "b.example"), sign(right), octets); p == nil || p.Reason != ReasonCertificateMissing {
		t.Errorf("hash and URL: %v", p)
	}
}

// TestBoundedCertificates: nothing that a peer sends is unbounded.
func TestBoundedCertificates(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	b := root.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names("b.example"))
	shown, proof := prove(t, b)
	many := shown
	for range maxShown {
		many = append(many, shown[0])
	}
	huge := []*wire.Certificate{{Encoding: wire.CertX509Signature, Data: make([]byte, maxCertificate+1)}}
	for name, list := range map[string][]*wire.Certificate{"too many": many, "too large": huge, "malformed": {{Encoding: wire.CertX509Signature, Data: []byte{0x30, 0x03, 1, 2, 3}}}} {
		if _, p := trust(t, root).Verify(noon, list, identity(t, "b.example"), proof, octets); p == nil || p.Reason != ReasonCertificateInvalid {
			t.Errorf("%s: %v", name, p)
		}
	}
	// Broken ones behind the first are left out.
	if _, p := trust(t, root).Verify(noon, append(shown, huge...), identity(t, "b.example"), proof, octets); p != nil {
		t.Error(p)
	}
	// A chain of one certificate too many.
	authority := root
	for range maxChain - 1 {
		authority = authority.Authority("Sub", pki.ECDSA(elliptic.P256()))
	}
	last := authority.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names("b.example"))
	var all []*wire.Certificate
	for _, c := range last.Chain() {
		all = append(all, &wire.Certificate{Encoding: wire.CertX509Signature, Data: c.Raw})
	}
	_, proof = prove(t, last)
	if _, p := trust(t, root).Verify(noon, all, identity(t, "b.example"), proof, octets); p == nil || p.Reason != ReasonCertificateInvalid {
		t.Errorf("a chain of %d: %v", len(last.Chain())+1, p)
	}
	for name, err := range map[string]error{
		"no trust":             second(NewTrust(nil, nil, nil)),
		"too many authorities": second(NewTrust(slices.Repeat([]*x509.Certificate{root.Certificate}, maxAuthorities+1), nil, nil)),
		"too many keys":        second(NewTrust(nil, slices.Repeat([]crypto.PublicKey{b.Key.Public()}, maxKeys+1), nil)),
		"a weak key":           second(NewTrust(nil, []crypto.PublicKey{pki.ECDSA(elliptic.P224()).Public()}, nil)),
		"another's key":        second(NewCredentials(pki.Ed25519(), b.Chain(), nil)),
		"too long a chain":     second(NewCredentials(b.Key, slices.Repeat(b.Chain(), maxChain+1), nil)),
		"no scheme":            second(NewCredentials(b.Key, b.Chain(), []Scheme{RSASHA256})),
		"a weak key to sign":   second(NewCredentials(pki.ECDSA(elliptic.P224()), nil, nil)),
	} {
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestRequests(t *testing.T) {
	root, other := pki.Root("Root", pki.ECDSA(elliptic.P256())), pki.Root("Other", pki.ECDSA(elliptic.P256()))
	tr, err := NewTrust([]*x509.Certificate{root.Certificate, other.Certificate}, []crypto.PublicKey{root.Key.Public()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	requests := Requests(tr, tr)
	if len(requests) != 2 || requests[0].Encoding != wire.CertX509Signature || requests[1].Encoding != wire.CertRawPublicKey || len(requests[1].Data) != 0 {
		t.Fatalf("%v", requests)
	}
	want := sha1.Sum(root.Certificate.RawSubjectPublicKeyInfo)
	if hashes, ok := requests[0].Authorities(); !ok || len(hashes) != 2 || hashes[0] != want {
		t.Errorf("%x", requests[0].Data)
	}
}

func TestDoubt(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	sub := root.Authority("Sub", pki.ECDSA(elliptic.P256()))
	b := sub.Issue("b", pki.ECDSA(elliptic.P256()), pki.Valid(noon, noon.Add(10*24*time.Hour)))
	doubt := func(at time.Time, chain ...*x509.Certificate) string {
		c, err := NewCredentials(b.Key, chain, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Doubt(at, 7*24*time.Hour); err != nil {
			return err.Error()
		}
		return ""
	}
	for _, c := range []struct {
		at    time.Time
		chain []*x509.Certificate
		want  string
	}{
		{noon, b.Chain(), ""},
		{noon.Add(-time.Second), b.Chain(), "from 2026-06-01"},
		{noon.Add(4 * 24 * time.Hour), b.Chain(), "expires at"},
		{noon.Add(11 * 24 * time.Hour), b.Chain(), "expired at"},
		{noon, []*x509.Certificate{b.Certificate, root.Certificate}, "put the chain in order"},
	} {
		if got := doubt(c.at, c.chain...); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%v: %q", c.at, got)
		}
	}
}

func FuzzReadShown(f *testing.F) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	sub := root.Authority("Sub", pki.Ed25519(), func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example"} })
	b := sub.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names("b.example", "192.0.2.1"))
	f.Add(uint8(wire.CertX509Signature), b.Certificate.Raw, sub.Certificate.Raw)
	f.Add(uint8(wire.CertRawPublicKey), b.Certificate.RawSubjectPublicKeyInfo, []byte{})
	tr := trust(f, root)
	_, proof := prove(f, b)
	f.Fuzz(func(t *testing.T, encoding uint8, first, second []byte) {
		list := []*wire.Certificate{{Encoding: wire.CertEncoding(encoding), Data: first}, {Encoding: wire.CertX509Signature, Data: second}}
		signer, p := tr.Verify(noon, list, Identity{wire.IDFQDN, "b.example"}, proof, octets)
		if p == nil && (len(signer.Chain) < 2 || string(first) != string(b.Certificate.Raw)) {
			t.Errorf("%x is trusted", first)
		}
	})
}

func FuzzParseCertificate(f *testing.F) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	f.Add(root.Certificate.Raw)
	f.Add(pki.PEM(root.Certificate, root.Certificate))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = ParseCertificates(data)
		if c, err := ParseCertificate(data); err == nil {
			_ = DescribeCertificate(c)
			_ = checkChain([]*x509.Certificate{c, c})
		}
	})
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(pki.Root("Root", pki.ECDSA(elliptic.P256())).Certificate.RawSubjectPublicKeyInfo)
	f.Fuzz(func(_ *testing.T, data []byte) {
		if k, err := ParsePublicKey(data); err == nil {
			_ = describeKey(k)
		}
	})
}

func FuzzParseScheme(f *testing.F) {
	f.Add("rsa-pss-sha256")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseScheme(text); err == nil && s.Keyword() != strings.ToLower(text) {
			t.Errorf("%q is %v", text, s)
		}
	})
}

// lead are those of the certificates that lead to a root.
func lead(root *pki.Holder, shown []*x509.Certificate) []*x509.Certificate {
	s := &search{shown: shown, made: map[issue]bool{}}
	return s.vouched([]*x509.Certificate{root.Certificate})
}

// TestAStrangersChain: a path is looked for with keys that are trusted, however many
// certificates of a stranger's own making lead to one another.
func TestAStrangersChain(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	maze := []*pki.Holder{pki.Root("Maze", pki.ECDSA(elliptic.P256()))}
	for range maxShown - 2 {
		maze = append(maze, maze[len(maze)-1].Authority("Maze", pki.ECDSA(elliptic.P256())))
	}
	peer := maze[len(maze)-1].Issue("b", pki.Ed25519(), pki.Names("b.example"))
	var above []*x509.Certificate
	for _, h := range maze {
		above = append(above, h.Certificate)
	}
	shown, proof := prove(t, peer)
	for _, c := range above {
		shown = append(shown, &wire.Certificate{Encoding: wire.CertX509Signature, Data: c.Raw})
	}
	if got := lead(root, above); len(got) != 0 {
		t.Errorf("%d of a stranger's certificates lead to the authority", len(got))
	}
	_, p := trust(t, root).Verify(noon, shown, identity(t, "b.example"), proof, octets)
	if p == nil || p.Reason != ReasonCertificateUntrusted || strings.Contains(p.Message, "limit") {
		t.Errorf("%+v", p)
	}
	// Those that lead there are found in any order, each once, and those of a stranger are not.
	sub := root.Authority("Sub", pki.Ed25519())
	below := sub.Authority("Below", pki.Ed25519())
	mixed := slices.Concat([]*x509.Certificate{below.Certificate, root.Certificate, below.Certificate, sub.Certificate}, above)
	if got := lead(root, mixed); len(got) != 2 || !got[0].Equal(sub.Certificate) || !got[1].Equal(below.Certificate) {
		t.Errorf("%d lead to the authority", len(got))
	}
}

// TestTheKeyComesFirst: no chain is built for who does not have the key of the
// certificate that he shows.
func TestTheKeyComesFirst(t *testing.T) {
	root, other := pki.Root("Root", pki.ECDSA(elliptic.P256())), pki.Root("Other", pki.ECDSA(elliptic.P256()))
	shown, _ := prove(t, other.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names("b.example")))
	_, proof := prove(t, root.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names("b.example")))
	if _, p := trust(t, root).Verify(noon, shown, identity(t, "b.example"), proof, octets); p == nil || p.Reason != ReasonAuthenticationFailed {
		t.Errorf("%+v", p)
	}
}

// TestTheKeyComesFirstInIKEv1 is the same for the SIG payload; who has the key and no
// chain is believed to have sent what is wrong.
func TestTheKeyComesFirstInIKEv1(t *testing.T) {
	root, other := pki.Root("Root", pki.ECDSA(elliptic.P256())), pki.Root("Other", pki.ECDSA(elliptic.P256()))
	good := root.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names("b.example"))
	strange := other.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names("b.example"))
	hash := digest(crypto.SHA256, []byte("HASH_I"))
	for _, c := range []struct {
		name         string
		shows, signs *pki.Holder
		id           string
		held         bool
		reason       Reason
	}{
		{"all is well", good, good, "b.example", true, ""},
		{"another identity", good, good, "c.example", true, ReasonCertificateIdentity},
		{"no authority that is trusted", strange, strange, "b.example", true, ReasonCertificateUntrusted},
		{"another's certificate", good, strange, "b.example", false, ReasonAuthenticationFailed},
		{"another's certificate of no authority that is trusted", strange, good, "b.example", false, ReasonAuthenticationFailed},
	} {
		sig, err := SignHash(rand.Reader, c.signs.Key, hash)
		if err != nil {
			t.Fatal(err)
		}
		shown, _ := prove(t, c.shows)
		signer, held, p := trust(t, root).AuthenticateHash(noon, shown, identity(t, c.id), hash, sig)
		var got Reason
		if p != nil {
			got = p.Reason
		}
		if held != c.held || got != c.reason || (signer != nil) != (p == nil) {
			t.Errorf("%s: held %v, %+v", c.name, held, p)
		}
	}
}
