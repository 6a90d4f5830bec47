package lab

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/libreswan"
	"causeway/test/lab/link"
	"causeway/test/lab/roots"
	"causeway/test/lab/world"
	"causeway/test/pki"
)

// foreign is a daemon that is not strongSwan.
type foreign interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// joinForeign joins our gateway to such a peer; who begins is started last. The
// peer takes only its own selectors, so ours are policy-based.
func (s *scene) joinForeign(own link.End, at func(peer link.End) (foreign, error)) *gateway.Gateway {
	s.t.Helper()
	own.PolicyBased = true
	d, err := at(own.Peer())
	s.must(err)
	begin := func() {
		s.must(s.bounded(d.Start))
		s.ends(d.Stop)
	}
	var g *gateway.Gateway
	if own.Start {
		begin()
		g = s.causeway(s.GatewayA, own)
	} else {
		g = s.causeway(s.GatewayA, own)
		begin()
	}
	s.up(g)
	// An emulated peer installs its keys some time after ours.
	s.eventually("an answer through the tunnel", func() error { return s.reaches(s.ClientA, world.ClientIn(own.RemoteNetworks[0])) })
	s.pingBoth(own)
	return g
}

// rekeyUnder replaces SAs by a command under traffic, which loses nothing.
func (s *scene) rekeyUnder(g *gateway.Gateway, ike, child bool, command func(context.Context) error) {
	s.t.Helper()
	before := s.status(g, link.Name)
	s.under(func() {
		s.must(s.bounded(command))
		s.rekeyed(g, before, ike, child)
	})
}

// ourRekeys replaces the Child SA and the IKE SA from our side.
func (s *scene) ourRekeys(g *gateway.Gateway) {
	s.t.Helper()
	for _, kind := range []string{"--child", "--ike"} {
		s.rekeyUnder(g, kind == "--ike", kind == "--child", func(ctx context.Context) error {
			_, err := g.Command(ctx, "rekey", link.Name, kind)
			return err
		})
	}
}

// beginners runs a test with either side as the one that begins.
func beginners(s *scene, test func(s *scene, a link.End)) {
	for _, begins := range []string{"initiator", "responder"} {
		s.sub(begins, func(s *scene) {
			a, _ := link.Pair()
			a = networks(a, 0)
			a.Start = begins == "initiator"
			test(s, a)
		})
	}
}

// TestIKEv1Libreswan is TestLibreswan with IKEv1: Main Mode begun by either end, both
// kinds of SA replaced by us, and then by libreswan by their lifetimes: it has no
// command to replace those of IKEv1.
func TestIKEv1Libreswan(t *testing.T) {
	requireRoot(t, roots.Libreswan)
	s, guest := newMachineScene(t)
	beginners(s, func(s *scene, a link.End) {
		begins := a.Start
		a = pairv1()
		a.Start = begins
		g := s.joinForeign(a, func(peer link.End) (foreign, error) { return libreswan.At(guest.In(roots.Libreswan), peer) })
		s.ourRekeys(g)
	})
	s.sub("by time", func(s *scene) {
		a := pairv1()
		a.Start = false
		g := s.joinForeign(a, func(peer link.End) (foreign, error) {
			peer.ESPLifetime, peer.IKELifetime = 25*time.Second, 40*time.Second
			return libreswan.At(guest.In(roots.Libreswan), peer)
		})
		var children, ikes []string
		s.under(func() {
			s.eventually("three Child SAs and two ISAKMP SAs", func() error {
				children, ikes = s.seen(g, children, ikes)
				if len(children) < 3 || len(ikes) < 2 {
					return fmt.Errorf("seen until now: %v and %v", children, ikes)
				}
				return nil
			})
		})
		if e := s.status(g, link.Name).LastError; e != nil {
			t.Errorf("while all went well, the last error became %+v", e)
		}
	})
}

// TestLibreswan is libreswan 5.2 with the kernel's ESP, which carries what it
// rekeys and what we do.
func TestLibreswan(t *testing.T) {
	requireRoot(t, roots.Libreswan)
	s, guest := newMachineScene(t)
	beginners(s, func(s *scene, a link.End) {
		var d *libreswan.Daemon
		g := s.joinForeign(a, func(peer link.End) (f foreign, err error) {
			d, err = libreswan.At(guest.In(roots.Libreswan), peer)
			return d, err
		})
		s.ourRekeys(g)
		s.rekeyUnder(g, false, true, d.RekeyChild)
		s.rekeyUnder(g, true, false, d.RekeyIKE)
	})
}

// TestLibreswanCertificates is libreswan with certificates of an intermediate
// authority, RSA and ECDSA, each begun by one end.
func TestLibreswanCertificates(t *testing.T) {
	requireRoot(t, roots.Libreswan)
	s, guest := newMachineScene(t)
	p := newAuthority()
	for _, c := range []struct {
		name   string
		key    func(n int) crypto.Signer
		starts bool
		authby string
	}{
		{"RSA, ours begins", func(n int) crypto.Signer { return pki.RSA(2048, n) }, true, "rsasig"},
		{"ECDSA, libreswan begins", func(int) crypto.Signer { return pki.ECDSA(elliptic.P256()) }, false, "ecdsa"},
	} {
		s.sub(c.name, func(s *scene) {
			a, _ := signed()
			a.Start = c.starts
			a.Proof = p.ours(p.sub.Issue("a", c.key(0), pki.Names(a.LocalIdentity)), "")
			theirs := p.sub.Issue("b", c.key(1), pki.Names(a.RemoteIdentity))
			s.joinForeign(a, func(peer link.End) (foreign, error) {
				peer.Proof = &link.Proof{
					Files: map[string][]byte{libreswan.KeyFile: s.pkcs12(theirs), libreswan.AuthorityFile: pki.PEM(p.root.Certificate)},
					Local: []string{"authby=" + c.authby, "leftcert=" + libreswan.Certificate, "leftsendcert=always", "sendca=issuer"},
				}
				return libreswan.At(guest.In(roots.Libreswan), peer)
			})
		})
	}
}

// pkcs12 packs a key, its certificate and those above it.
func (s *scene) pkcs12(h *pki.Holder) []byte {
	s.t.Helper()
	directory := s.t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(directory, name)
		s.must(os.WriteFile(path, data, 0o600))
		return path
	}
	out, err := exec.CommandContext(s.ctx, "openssl", "pkcs12", "-export", "-passout", "pass:", "-name", libreswan.Certificate,
		"-inkey", file("key.pem", pki.KeyPEM(h.Key)), "-in", file("certificate.pem", pki.PEM(h.Certificate)),
		"-certfile", file("above.pem", pki.PEM(h.Above...))).Output()
	s.must(err)
	return out
}
