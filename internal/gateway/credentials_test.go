package gateway

import (
	"crypto/elliptic"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/config"
	"causeway/test/pki"
)

// files writes what connections name, and changes there.
func files(t *testing.T, content map[string][]byte) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, data := range content {
		if err := os.WriteFile(filepath.Clean(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// certified are the files of a gateway with certificates.
func certified(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	sub := root.Authority("Sub", pki.ECDSA(elliptic.P256()))
	hq := sub.Issue("hq", pki.RSA(2048, 0), pki.Names("hq.example.com"))
	old := root.Issue("hq", hq.Key, pki.Names("hq.example.com"), pki.Valid(pki.NotBefore, pki.NotBefore.Add(time.Hour)))
	files(t, map[string][]byte{
		"ca.pem": pki.PEM(root.Certificate), "hq.pem": pki.PEM(hq.Chain()...), "hq.key": pki.KeyPEM(hq.Key),
		"mixed.pem": pki.PEM(hq.Certificate, root.Certificate), "old.pem": pki.PEM(old.Certificate), "other.key": pki.KeyPEM(pki.RSA(2048, 1)),
		"weak.key": pki.KeyPEM(pki.ECDSA(elliptic.P224())), "branch.pub": pki.PublicPEM(pki.Ed25519().Public()), "junk.pem": []byte("junk"),
		"old.crl": root.RevocationList(pki.NotBefore, pki.NotBefore.Add(time.Hour)), "ca.crl": pki.ListPEM(root.RevocationList(pki.NotBefore, pki.NotAfter)),
		"forged.crl": pki.Root("Root", pki.ECDSA(elliptic.P256())).RevocationList(pki.NotBefore, pki.NotAfter),
	})
}

const networks = "remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}"

func TestCertificateConnection(t *testing.T) {
	certified(t)
	c := one(t, `connections:
  a: {`+networks+`, auth: {certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem]}}}
`)
	if c.Settings.Credentials == nil || c.Settings.Trust == nil || len(c.Settings.Credentials.Chain()) != 2 || !c.Settings.PSK.IsZero() {
		t.Errorf("%+v", c.Settings)
	}
	c = one(t, `connections:
  a: {`+networks+`, auth: {psk: "long-enough-secret-42", certificate: {ca: [ca.pem]}, local: psk, remote: certificate}}
`)
	if c.Settings.Credentials != nil || c.Settings.Trust == nil || c.Settings.PSK.IsZero() {
		t.Errorf("%+v", c.Settings)
	}
	c = one(t, `connections:
  a: {`+networks+`, auth: {public_key: {key: hq.key, peer: [branch.pub, ca.pem]}, signatures: [rsa-sha256, ed25519]}}
`)
	if c.Settings.Credentials == nil || len(c.Settings.Credentials.Chain()) != 0 || !strings.Contains(c.Settings.Trust.String(), "raw Ed25519 public key, a raw ECDSA P-256") {
		t.Errorf("%v", c.Settings.Trust)
	}
}

// TestRevocationKeys: lists and the policy reach the settings, and a reload sees
// that a list changed.
func TestRevocationKeys(t *testing.T) {
	certified(t)
	text := func(more string) string {
		return "connections:\n  a: {" + networks + ", auth: {certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem]" + more + "}}}\n"
	}
	plain := one(t, text("")).Settings.Trust
	for more, same := range map[string]bool{", revocation: relaxed": true, ", revocation: strict": false, ", revocation: off": false, ", crl: [ca.crl]": false} {
		if got := one(t, text(more)).Settings.Trust; got.Equal(plain) != same {
			t.Errorf("%s: as without: %t", more, !same)
		}
	}
	before := parse(t, text(", crl: [ca.crl]"))
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	if err := os.WriteFile("ca.crl", root.RevocationList(pki.NotBefore, pki.NotAfter), 0o600); err != nil {
		t.Fatal(err)
	}
	d := config.Diff(before, parse(t, text(", crl: [ca.crl]")))
	if len(d.Changed) != 1 || strings.Join(d.Changed[0].Keys, " ") != "auth.certificate.crl" {
		t.Errorf("%+v", d)
	}
}

// TestAuthProblems: what is wrong with a file is said at the key that names it.
func TestAuthProblems(t *testing.T) {
	certified(t)
	for auth, want := range map[string]string{
		"certificate: {chain: hq.pem, key: other.key, ca: [ca.pem]}":                                      `auth.certificate.key: the private key is not that of the first certificate, "C=CH, O=Example, CN=hq" (RSA 2048)`,
		"certificate: {chain: junk.pem, key: hq.key, ca: [ca.pem]}":                                       "auth.certificate.chain: no certificate in PEM",
		"certificate: {chain: hq.pem, key: junk.pem, ca: [ca.pem]}":                                       "auth.certificate.key: no private key in PEM",
		"certificate: {chain: hq.pem, key: weak.key, ca: [ca.pem]}":                                       "auth.certificate.key: the curve P-224 is not supported",
		"certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem, junk.pem]}":                               "auth.certificate.ca[1]: no certificate in PEM",
		"public_key: {key: hq.key, peer: [hq.key]}":                                                       "auth.public_key.peer[0]: no public key in PEM",
		"certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem]}, signatures: [rsa-md5]":                  `auth.signatures[0]: unknown signature scheme "rsa-md5"; allowed are ecdsa-sha256`,
		"certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem]}, signatures: [ed25519]":                  "auth.certificate.key: none of ed25519 can be made with the RSA 2048 key",
		"certificate: {chain: old.pem, key: hq.key, ca: [ca.pem]}":                                        `warning: connections.a.auth.certificate.chain: the certificate of "C=CH, O=Example, CN=hq" expired at 2025-01-01 01:00 UTC`,
		"certificate: {chain: mixed.pem, key: hq.key, ca: [ca.pem]}":                                      "put the chain in order",
		"certificate: {chain: hq.pem, key: hq.key, ca: [old.pem]}":                                        "warning: connections.a.auth.certificate.ca: the certificate of",
		"certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem]}, signatures: [rsa-pss-sha256, rsa-sha1]": "warning: connections.a.auth.signatures[1]: is weak",
		"certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem], crl: [ca.crl, junk.pem]}":                "auth.certificate.crl[1]: no revocation list",
		"certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem], crl: [old.crl]}":                         "warning: connections.a.auth.certificate.crl: the revocation list of \"C=CH, O=Example, CN=Root\" is not current",
		"certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem], crl: [forged.crl]}":                      "is not signed by the authority of that name in ca",
	} {
		_, problems := config.Parse("test.yaml", []byte("connections:\n  a: {"+networks+", auth: {"+auth+"}}\n"), Checks())
		if got := problems.String(); !strings.Contains(got, want) || len(problems) != 1 || !strings.HasPrefix(got, "test.yaml:2:") {
			t.Errorf("%s: %s", auth, got)
		}
	}
	_, problems := config.Parse("test.yaml", []byte("connections:\n  a: {local: {identity: x.example.com}, "+networks+", auth: {certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem]}}}\n"), Checks())
	if got := problems.String(); !strings.Contains(got, "does not stand for our identity x.example.com") {
		t.Error(got)
	}
}

// TestAuthProblemsAtOnce: one thing that is wrong hides no other.
func TestAuthProblemsAtOnce(t *testing.T) {
	certified(t)
	for auth, want := range map[string][]string{
		"certificate: {chain: junk.pem, key: junk.pem, ca: [junk.pem]}, signatures: [rsa-md5]": {"certificate.chain", "certificate.key", "certificate.ca[0]", "signatures[0]"},
		"certificate: {chain: none.pem, key: junk.pem, ca: [none.pem, junk.pem]}":              {"certificate.chain", "certificate.key", "certificate.ca[0]", "certificate.ca[1]"},
		"certificate: {key: junk.pem}":                                  {"certificate.chain", "certificate.key", "certificate.ca"},
		"public_key: {key: junk.pem, peer: [junk.pem]}, ppk: {id: a b}": {"public_key.key", "public_key.peer[0]", "ppk.id", "ppk"},
	} {
		_, problems := config.Parse("test.yaml", []byte("connections:\n  a: {"+networks+", auth: {"+auth+"}}\n"), Checks())
		got := map[string]int{}
		for _, p := range problems {
			got[strings.TrimPrefix(p.Path, "connections.a.auth.")]++
		}
		for _, key := range want {
			if got[key] != 1 {
				t.Errorf("%s: %d problems with %s in\n%s", auth, got[key], key, problems)
			}
		}
		if len(problems) != len(want) {
			t.Errorf("%s: %d problems, want %d:\n%s", auth, len(problems), len(want), problems)
		}
	}
}

// TestKeysOfIKEv1: a key with which IKEv1 cannot sign is refused before it fails.
func TestKeysOfIKEv1(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	hq := root.Issue("hq", pki.Ed25519(), pki.Names("hq.example.com"))
	files(t, map[string][]byte{"ca.pem": pki.PEM(root.Certificate), "hq.pem": pki.PEM(hq.Chain()...), "hq.key": pki.KeyPEM(hq.Key)})
	for version, want := range map[string]string{"1": "test.yaml:2:124: connections.a.auth.certificate.key: is an Ed25519 key", "2": ""} {
		_, problems := config.Parse("test.yaml", []byte("connections:\n  a: {ike: {version: "+version+"}, "+networks+", auth: {certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem]}}}\n"), Checks())
		if got := problems.String(); (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("version %s: %q, want %q", version, got, want)
		}
	}
}

// TestRenewedCertificate: a reload sees that a file holds another certificate,
// and the connection is changed in place.
func TestRenewedCertificate(t *testing.T) {
	certified(t)
	text := "connections:\n  a: {" + networks + ", auth: {certificate: {chain: hq.pem, key: hq.key, ca: [ca.pem]}}}\n"
	before := parse(t, text)
	if d := config.Diff(before, parse(t, text)); !d.IsZero() {
		t.Errorf("nothing changed, but %+v", d)
	}
	root := pki.Root("New", pki.ECDSA(elliptic.P256()))
	if err := os.WriteFile("ca.pem", pki.PEM(root.Certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	d := config.Diff(before, parse(t, text))
	if len(d.Changed) != 1 || strings.Join(d.Changed[0].Keys, " ") != "auth.certificate.ca" {
		t.Errorf("%+v", d)
	}
}
