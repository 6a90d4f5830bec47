// Package libreswan runs a real libreswan as the peer of a test: its daemon
// pluto, whose ESP is the kernel's, so that it needs an emulated machine.
package libreswan

import (
	"context"
	"fmt"
	"net/netip"
	"path"
	"strings"
	"text/template"
	"time"

	"causeway/test/lab/link"
	"causeway/test/lab/place"
	"causeway/test/lab/world"
)

// Daemon is one pluto. Not safe for concurrent use.
type Daemon struct {
	place   place.Place
	process place.Process
	name    string // of the connection
	starts  bool
	// certified: the files KeyFile and AuthorityFile go into its data base.
	certified bool
}

// What a Proof of an end has: the certificate of that name with its chain and its
// key, as PKCS #12 without a password, and the authority that the peer's is from.
const (
	Certificate   = "own"
	KeyFile       = "own.p12"
	AuthorityFile = "authority.pem"
)

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"identity": identity, "suite": suite, "subnets": subnets,
	"seconds": func(d time.Duration) int { return int(d.Seconds()) },
}).Parse(`
{{define "ipsec.conf"}}config setup
	uniqueids=no
	dnssec-enable=no
{{- if eq .IKEVersion 1}}
	ikev1-policy=accept
{{- end}}
conn {{.Connection}}
	ikev2={{if eq .IKEVersion 1}}no{{else}}insist{{end}}
{{- if .Proof}}
{{- range .Proof.Local}}
	{{.}}
{{- end}}
{{- else}}
	authby=secret
{{- end}}
	left={{.Local}}
	leftid={{identity .LocalIdentity .Local}}
	leftsubnet={{subnets .LocalNetworks}}
	right={{.Remote}}
	rightid={{identity .RemoteIdentity .Remote}}
	rightsubnet={{subnets .RemoteNetworks}}
{{- with .IKE}}
	ike={{suite .}}
{{- end}}
{{- with .ESP}}
	esp={{suite .}}
	pfs=no
{{- end}}
{{- with .IKELifetime}}
	ikelifetime={{seconds .}}s
{{- end}}
{{- with .ESPLifetime}}
	salifetime={{seconds .}}s
	rekeymargin=10s
	rekeyfuzz=0%
{{- end}}
{{- range .PlutoKeys}}
	{{.}}
{{- end}}
	encapsulation=yes
	leftupdown=%disabled
	auto=add
{{end}}
{{define "ipsec.secrets"}}{{identity .LocalIdentity .Local}} {{identity .RemoteIdentity .Remote}} : PSK "{{.PSK}}"
{{end}}`))

func identity(name string, address netip.Addr) string {
	if name == "" {
		return address.String()
	}
	return "@" + name
}

// subnets is the first network only: with several libreswan makes a connection
// of each pair.
func subnets(list []netip.Prefix) string { return list[0].String() }

// keywords are libreswan's words for strongSwan's.
var keywords = map[string]string{
	"aes128gcm16": "aes_gcm128", "aes192gcm16": "aes_gcm192", "aes256gcm16": "aes_gcm256",
	"chacha20poly1305": "chacha20_poly1305",
	"sha256":           "sha2_256", "sha384": "sha2_384", "sha512": "sha2_512",
	"prfsha1": "sha1", "prfsha256": "sha2_256", "prfsha384": "sha2_384", "prfsha512": "sha2_512",
	"modp2048": "dh14", "modp3072": "dh15", "modp4096": "dh16",
	"ecp256": "dh19", "ecp384": "dh20", "ecp521": "dh21", "x25519": "dh31",
	"esn": "", "noesn": "",
}

// suite writes proposals as libreswan does.
func suite(proposals []string) string {
	var list []string
	for _, p := range proposals {
		var words []string
		for word := range strings.SplitSeq(p, "-") {
			if own, ok := keywords[word]; ok {
				word = own
			}
			if word != "" {
				words = append(words, word)
			}
		}
		list = append(list, strings.Join(words, "-"))
	}
	return strings.Join(list, ",")
}

// At prepares a daemon for a place whose root has libreswan.
func At(where place.Place, end link.End) (*Daemon, error) {
	d := &Daemon{place: where, name: end.Connection(), starts: end.Start}
	for _, name := range []string{"ipsec.conf", "ipsec.secrets"} {
		var b strings.Builder
		if err := templates.ExecuteTemplate(&b, name, end); err != nil {
			return nil, fmt.Errorf("libreswan: %w", err)
		}
		if err := where.Write(context.Background(), name, []byte(b.String())); err != nil {
			return nil, fmt.Errorf("libreswan: %w", err)
		}
	}
	if end.Proof == nil {
		return d, nil
	}
	d.certified = true
	for name, data := range end.Proof.Files {
		if err := where.Write(context.Background(), name, data); err != nil {
			return nil, fmt.Errorf("libreswan: %w", err)
		}
	}
	return d, nil
}

// Start starts the daemon, waits until it has its connection, and with End.Start
// begins it. Its script for routes is off: a network with a default route needs
// none, and in an emulated machine it takes pluto ten seconds and more, during
// which pluto does nothing else.
func (d *Daemon) Start(ctx context.Context) error {
	dir := d.place.Dir()
	store := ""
	if d.certified {
		store = fmt.Sprintf("pk12util -i %s -d sql:/var/lib/ipsec/nss -W ''; certutil -A -n authority -t CT,, -i %s -d sql:/var/lib/ipsec/nss",
			path.Join(dir, KeyFile), path.Join(dir, AuthorityFile))
	}
	p, err := d.place.Start("pluto-"+d.place.Role(), "sh", "-e", "-c", fmt.Sprintf(`
mkdir -p /run/pluto
rm -rf /var/lib/ipsec/nss
mkdir -p /var/lib/ipsec/nss
ipsec initnss >/dev/null 2>&1 || ipsec checknss
%s
exec /usr/libexec/ipsec/pluto --nofork --stderrlog --config %s --secretsfile %s`,
		store, path.Join(dir, "ipsec.conf"), path.Join(dir, "ipsec.secrets")))
	if err != nil {
		return err
	}
	d.process = p
	err = world.Eventually(ctx, "pluto's connection", func() error {
		if err := p.Running(); err != nil {
			return err
		}
		out, err := d.whack(ctx, "--connectionstatus")
		if err == nil && !strings.Contains(out, `"`+d.name+`"`) {
			err = fmt.Errorf("libreswan: it does not have it: %s", out)
		}
		return err
	})
	if err == nil && d.starts {
		err = d.Initiate(ctx)
	}
	return place.OrEnd(p, err)
}

func (d *Daemon) whack(ctx context.Context, arguments ...string) (string, error) {
	return d.place.Run(ctx, append([]string{"/usr/libexec/ipsec/whack"}, arguments...)...)
}

// Log is the test's file that the daemon logs to.
func (d *Daemon) Log() string { return d.process.LogFile() }

// Stop ends it as an administrator does.
func (d *Daemon) Stop(ctx context.Context) error { return d.process.Terminate(ctx) }

// Suspend ends the IKE SA without a word, and keeps the ticket that it gave (RFC
// 5723).
func (d *Daemon) Suspend(ctx context.Context) error {
	_, err := d.whack(ctx, "--name", d.name, "--suspend")
	return err
}

// Initiate begins the connection.
func (d *Daemon) Initiate(ctx context.Context) error {
	_, err := d.whack(ctx, "--name", d.name, "--initiate", "--asynchronous")
	return err
}

// RekeyChild replaces the Child SA.
func (d *Daemon) RekeyChild(ctx context.Context) error {
	_, err := d.whack(ctx, "--name", d.name, "--rekey-child")
	return err
}

// RekeyIKE replaces the IKE SA.
func (d *Daemon) RekeyIKE(ctx context.Context) error {
	_, err := d.whack(ctx, "--name", d.name, "--rekey-ike")
	return err
}
