package lab

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/strongswan"
)

// joined starts the tunnel between our gateway and a strongSwan, at the other
// site than own's, and checks that packets pass and that both say the same of
// it. The end that waits is started first.
func (s *scene) joined(own, peer link.End) (*gateway.Gateway, *strongswan.Daemon) {
	s.t.Helper()
	here, there := s.gateways(own)
	var g *gateway.Gateway
	var d *strongswan.Daemon
	if own.Start {
		d = s.strongswan(there, peer)
		g = s.causeway(here, own)
	} else {
		g = s.causeway(here, own)
		d = s.strongswan(there, peer)
	}
	if role := s.up(g).IKE.Role; (role == "initiator") != own.Start {
		s.t.Errorf("our gateway, which begins: %v, is the %s", own.Start, role)
	}
	s.pingBoth(own)
	s.agree(g, d, own, peer)
	return g, d
}

// agree compares what our gateway and strongSwan say of the tunnel, once both
// are at rest.
func (s *scene) agree(g *gateway.Gateway, d *strongswan.Daemon, own, peer link.End) {
	s.t.Helper()
	theirs := s.swanUp(d, 1)
	var ours *gateway.Connection
	s.eventually("one Child SA of ours", func() error {
		if ours = s.status(g, own.Connection()); ours.State != "up" || len(ours.Children) != 1 {
			return fmt.Errorf("%s, %d Child SAs", describe(ours), len(ours.Children))
		}
		return nil
	})
	role := "initiator"
	if theirs.Initiator {
		role = "responder"
	}
	type ike struct {
		Version                       int
		Role, SPIi, SPIr              string
		Local, Remote                 string
		LocalIdentity, RemoteIdentity string
	}
	want := ike{own.IKEVersion(), role, theirs.SPIi, theirs.SPIr, theirs.Remote, theirs.Local, theirs.RemoteID, theirs.LocalID}
	o := ours.IKE
	got := ike{o.Version, o.Role, o.SPIi, o.SPIr, o.Local, o.Remote, o.LocalIdentity, o.RemoteIdentity}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("the IKE SA, as strongSwan (-) and our gateway (+) say:\n%s", diff)
	}
	if want := algorithms(withPRF(o.Suite)); theirs.Suite != want {
		s.t.Errorf("IKE suite %s is %s, strongSwan says %s", o.Suite, want, theirs.Suite)
	}
	s.agreeChild(ours.Children[0], theirs.Children[0])
	s.agreeCounters(g, d, own)
	if want := []string{hostPort(own.Local, 4500), hostPort(peer.Local, 4500)}; !slices.Equal(want, []string{o.Local, o.Remote}) {
		s.t.Errorf("the IKE SA is between %s and %s, want %v", o.Local, o.Remote, want)
	}
}

func (s *scene) agreeChild(ours gateway.Child, theirs strongswan.Child) {
	s.t.Helper()
	type child struct {
		In, Out, Encapsulation string
		Local, Remote          []string
	}
	got := child{ours.SPIIn, ours.SPIOut, ours.Encapsulation, sorted(ours.LocalSelectors), sorted(ours.RemoteSelectors)}
	encapsulation := map[bool]string{true: "udp", false: "none"}[theirs.Encapsulated]
	want := child{theirs.SPIOut, theirs.SPIIn, encapsulation, sorted(theirs.RemoteSelectors), sorted(theirs.LocalSelectors)}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("the Child SA, as strongSwan (-) and our gateway (+) say:\n%s", diff)
	}
	if want := algorithms(ours.Suite); theirs.Suite != want {
		s.t.Errorf("ESP suite %s is %s, strongSwan says %s", ours.Suite, want, theirs.Suite)
	}
	if ours.PacketsIn == 0 || ours.PacketsOut == 0 || ours.BytesIn == 0 || ours.BytesOut == 0 {
		s.t.Errorf("packets passed, and our Child SA counts %+v", ours)
	}
}

// agreeCounters waits until both count the same packets: what one sent and the
// other received. Packets that pass between the two looks make them differ once.
func (s *scene) agreeCounters(g *gateway.Gateway, d *strongswan.Daemon, own link.End) {
	s.t.Helper()
	s.eventually("counters that agree", func() error {
		ours, theirs := s.status(g, own.Connection()).Children[0], s.swanUp(d, 1).Children[0]
		if ours.PacketsIn > theirs.PacketsOut || ours.PacketsOut < theirs.PacketsIn {
			return fmt.Errorf("our Child SA counts %d in, %d out; strongSwan's %d out, %d in",
				ours.PacketsIn, ours.PacketsOut, theirs.PacketsOut, theirs.PacketsIn)
		}
		return nil
	})
}

func hostPort(a netip.Addr, port int) string { return net.JoinHostPort(a.String(), fmt.Sprint(port)) }

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// spelling is how strongSwan's lists of SAs call what its configuration, and
// our status, call by keywords. An IKE SA's parts are in the order cipher,
// integrity, PRF, group.
var spelling = map[string]string{
	"aes128gcm16": "AES_GCM_16-128", "aes192gcm16": "AES_GCM_16-192", "aes256gcm16": "AES_GCM_16-256",
	"aes128gcm12": "AES_GCM_12-128", "aes192gcm12": "AES_GCM_12-192", "aes256gcm12": "AES_GCM_12-256",
	"aes128gcm8": "AES_GCM_8-128", "aes192gcm8": "AES_GCM_8-192", "aes256gcm8": "AES_GCM_8-256",
	"aes128ccm16": "AES_CCM_16-128", "aes192ccm16": "AES_CCM_16-192", "aes256ccm16": "AES_CCM_16-256",
	"aes128ccm12": "AES_CCM_12-128", "aes192ccm12": "AES_CCM_12-192", "aes256ccm12": "AES_CCM_12-256",
	"aes128ccm8": "AES_CCM_8-128", "aes192ccm8": "AES_CCM_8-192", "aes256ccm8": "AES_CCM_8-256",
	"aes128gmac": "NULL_AES_GMAC-128", "aes192gmac": "NULL_AES_GMAC-192", "aes256gmac": "NULL_AES_GMAC-256",
	"chacha20poly1305": "CHACHA20_POLY1305", "null": "NULL",
	"3des": "3DES_CBC", "aes128": "AES_CBC-128", "aes192": "AES_CBC-192", "aes256": "AES_CBC-256",
	"sha1": "HMAC_SHA1_96", "sha256": "HMAC_SHA2_256_128", "sha384": "HMAC_SHA2_384_192", "sha512": "HMAC_SHA2_512_256",
	"prfsha1": "PRF_HMAC_SHA1", "prfsha256": "PRF_HMAC_SHA2_256", "prfsha384": "PRF_HMAC_SHA2_384", "prfsha512": "PRF_HMAC_SHA2_512",
	"modp1024": "MODP_1024", "modp1536": "MODP_1536", "modp2048": "MODP_2048", "modp3072": "MODP_3072", "modp4096": "MODP_4096", "modp8192": "MODP_8192",
	"ecp256": "ECP_256", "ecp384": "ECP_384", "ecp521": "ECP_521", "x25519": "CURVE_25519",
}

// withPRF adds the PRF of the integrity algorithm, which keywords leave out
// where both are of one hash function.
func withPRF(suite string) string {
	words := strings.Split(suite, "-")
	if len(words) == 3 && strings.HasPrefix(words[1], "sha") {
		words = slices.Insert(words, 2, "prf"+words[1])
	}
	return strings.Join(words, "-")
}

func algorithms(suite string) string {
	var parts []string
	for word := range strings.SplitSeq(suite, "-") {
		if name, ok := spelling[word]; ok {
			word = name
		}
		if word != "noesn" {
			parts = append(parts, word)
		}
	}
	return strings.Join(parts, "-")
}
