// Package openiked runs a real OpenIKED as the peer of a test: its daemon iked
// as it is ported to Linux, whose ESP is the kernel's by PF_KEY (RFC 2367), so that
// it needs an emulated machine.
package openiked

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"text/template"
	"time"

	"causeway/test/lab/link"
	"causeway/test/lab/place"
	"causeway/test/lab/world"
)

// ESP is what the daemon is told to take, as link.End.ESP.
var ESP = []string{"aes256-sha384"}

// Daemon is one iked. Not safe for concurrent use.
type Daemon struct {
	place   place.Place
	process place.Process
}

// configuration has ciphers that PF_KEY can give the kernel: it has none of the AEADs,
// and cuts HMAC-SHA2-256 to 96 bits. Each pair of networks is a flow.
var configuration = template.Must(template.New("").Funcs(template.FuncMap{
	"identity": identity,
	"seconds":  func(d time.Duration) int { return int(d.Seconds()) },
}).Parse(`ikev2 "{{.Connection}}" {{if .Start}}active{{else}}passive{{end}} esp \
{{- range $i, $local := .LocalNetworks}}
	from {{$local}} to {{index $.RemoteNetworks $i}} \
{{- end}}
	local {{.Local}} peer {{.Remote}} \
	ikesa enc aes-256-gcm prf hmac-sha2-384 group ecp384 \
	childsa enc aes-256 auth hmac-sha2-384 \
	srcid {{identity .LocalIdentity .Local}} dstid {{identity .RemoteIdentity .Remote}} \
{{- with .IKELifetime}}
	ikelifetime {{seconds .}} \
{{- end}}
{{- with .ESPLifetime}}
	lifetime {{seconds .}} \
{{- end}}
	psk "{{.PSK}}"
`))

func identity(name string, address netip.Addr) string {
	if name == "" {
		return address.String()
	}
	return name
}

// At prepares a daemon for a place whose root has OpenIKED.
func At(where place.Place, end link.End) (*Daemon, error) {
	var b strings.Builder
	if err := configuration.Execute(&b, end); err != nil {
		return nil, fmt.Errorf("openiked: %w", err)
	}
	private, public, err := keys()
	if err != nil {
		return nil, fmt.Errorf("openiked: %w", err)
	}
	for name, data := range map[string][]byte{"iked.conf": []byte(b.String()), "local.key": private, "local.pub": public} {
		if err := where.Write(context.Background(), name, data); err != nil {
			return nil, fmt.Errorf("openiked: %w", err)
		}
	}
	return &Daemon{place: where}, nil
}

// keys makes the pair without which iked does not start, also where all
// authenticate by secrets.
func keys() (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	private = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if der, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		return nil, nil, err
	}
	return private, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// Start starts the daemon and waits until it listens; an active policy begins by
// itself.
func (d *Daemon) Start(ctx context.Context) error {
	p, err := d.place.Start("iked-"+d.place.Role(), "sh", "-e", "-c", fmt.Sprintf(`
cd %s
mkdir -p /etc/iked/private /run/iked
cp local.key /etc/iked/private/local.key
cp local.pub /etc/iked/local.pub
chmod 600 iked.conf /etc/iked/private/local.key
exec iked -d -v -f iked.conf`, d.place.Dir()))
	if err != nil {
		return err
	}
	d.process = p
	// Its control socket answers before the others are there.
	return place.OrEnd(p, world.Eventually(ctx, "iked's socket", func() error {
		if err := p.Running(); err != nil {
			return err
		}
		out, err := d.place.Run(ctx, "ss", "-Hlun", "sport = :4500")
		if err == nil && strings.TrimSpace(out) == "" {
			err = errors.New("openiked: it does not listen")
		}
		return err
	}))
}

// Log is the test's file that the daemon logs to.
func (d *Daemon) Log() string { return d.process.LogFile() }

// Stop ends it as an administrator does.
func (d *Daemon) Stop(ctx context.Context) error { return d.process.Terminate(ctx) }
