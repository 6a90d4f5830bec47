package ikev2

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Redirection (RFC 5685): a gateway sends its clients to another one, in its answer
// to IKE_SA_INIT or IKE_AUTH, or while the IKE SA is up. Who follows still wants to
// see the identity of the peer that is configured, so that a redirect in
// IKE_SA_INIT, which only its nonce protects, leads to nobody else. Looking a name
// up is the owner's: it hears sa.Redirect, and answers with sa.Redirected.

const (
	// maxRedirects is how many redirects are followed in redirectWindow (RFC 5685
	// §3: a client must notice a loop).
	maxRedirects   = 5
	redirectWindow = 5 * time.Minute
)

// redirection is one that the owner looks the address up for.
type redirection struct {
	from, expected, configured netip.Addr
	// replaces is the IKE SA that goes once the new one is up; nil: none.
	replaces *ikeSA
}

// redirectable is the part of IKE_SA_INIT that says that we can be sent elsewhere,
// and by whom we were.
func (s *ikeSA) redirectable() []wire.Payload {
	switch {
	case !s.m.settings.FollowRedirects:
		return nil
	case s.redirectedFrom.IsValid():
		return []wire.Payload{notify(wire.NotifyRedirectedFrom, wire.AppendGateway(nil, wire.Gateway{Addr: s.redirectedFrom}))}
	}
	return []wire.Payload{notify(wire.NotifyRedirectSupported, nil)}
}

// followsRedirects reports whether the sender of an IKE_SA_INIT request can be
// sent elsewhere (RFC 5685 §4).
func followsRedirects(msg *message) bool {
	return msg.notify(wire.NotifyRedirectSupported) != nil || msg.notify(wire.NotifyRedirectedFrom) != nil
}

// elsewhere is where the connection sends its peers, other than to the address
// that they reached already.
func elsewhere(c *sa.Settings, local netip.Addr) (wire.Gateway, bool) {
	if c.RedirectTo == "" {
		return wire.Gateway{}, false
	}
	if addr, err := netip.ParseAddr(c.RedirectTo); err == nil {
		return wire.Gateway{Addr: addr.Unmap()}, addr.Unmap() != local.Unmap()
	}
	return wire.Gateway{Name: c.RedirectTo}, true
}

// redirectInit is the REDIRECT that answers an IKE_SA_INIT, if every connection
// that the peer may belong to sends it to the same place (RFC 5685 §3). It costs
// no state.
func (a *Acceptor) redirectInit(msg *message, d sa.Datagram, nonce []byte) wire.Payload {
	candidates := a.candidates(d)
	if len(candidates) == 0 || !followsRedirects(msg) {
		return nil
	}
	to, ok := elsewhere(candidates[0], d.Local.Addr())
	for _, c := range candidates[1:] {
		ok = ok && c.RedirectTo == candidates[0].RedirectTo
	}
	if !ok {
		return nil
	}
	return notify(wire.NotifyRedirect, append(wire.AppendGateway(nil, to), nonce...))
}

// sendsElsewhere is the REDIRECT in place of a Child SA that answers the IKE_AUTH
// of a peer (RFC 5685 §6), or nil.
func (s *ikeSA) sendsElsewhere() wire.Payload {
	to, ok := elsewhere(s.m.settings, s.local.Addr())
	if !ok || !s.redirects {
		return nil
	}
	return notify(wire.NotifyRedirect, wire.AppendGateway(nil, to))
}

// planRedirect sends those that are up elsewhere after the settings changed (RFC
// 5685 §5). Only who answered the first IKE_SA_INIT does so.
func (m *Machine) planRedirect(before *sa.Settings) {
	for _, s := range m.sas {
		if before.RedirectTo != m.settings.RedirectTo && s.proven && !s.origin && s.sendsElsewhere() != nil {
			s.wantRedirect = true
		}
	}
}

// redirect tells the peer to go elsewhere.
func (s *ikeSA) redirect() {
	s.wantRedirect = false
	if n := s.sendsElsewhere(); n != nil {
		s.request(&redirectExchange{}, []wire.Payload{n})
	}
}

// redirectExchange is that request: its answer shows as much as that to a check.
type redirectExchange struct{ checkExchange }

// redirectedInit takes a REDIRECT in answer to our IKE_SA_INIT. Its nonce shows
// that the sender saw our request.
func (s *ikeSA) redirectedInit(n *wire.Notify) error {
	to, nonce, err := wire.ParseGateway(n.Data)
	switch {
	case !s.m.settings.FollowRedirects:
		return &syntaxError{"a REDIRECT that nobody asked for"}
	case err != nil:
		return err
	case !bytes.Equal(nonce, s.nonceI):
		return &syntaxError{"a REDIRECT with another nonce than ours"}
	}
	s.m.follow(to, s)
	s.drop(causeFailed, ending{})
	return nil
}

// redirectedUp takes a REDIRECT of a peer that is authenticated: in answer to
// IKE_AUTH, where there is no Child SA and the IKE SA is to go, or later, where it
// goes when the new one is up.
func (s *ikeSA) redirectedUp(msg *message) bool {
	n := msg.notify(wire.NotifyRedirect)
	if n == nil || !s.m.settings.FollowRedirects || !s.origin {
		return false
	}
	to, _, err := wire.ParseGateway(n.Data)
	if err != nil {
		s.m.dropped(s.remote, sa.ReasonInvalidSyntax, err.Error())
		return false
	}
	s.m.follow(to, s)
	return true
}

// follow has the owner find out where another gateway is, unless there were too
// many already.
func (m *Machine) follow(to wire.Gateway, s *ikeSA) {
	m.redirects = slices.DeleteFunc(m.redirects, func(t time.Time) bool { return m.now.Sub(t) > redirectWindow })
	if len(m.redirects) >= maxRedirects {
		m.fail(s.remote, &sa.Failure{
			Reason:  sa.ReasonRedirectLoop,
			Message: fmt.Sprintf("the peer sends us to %v, after %d other redirects in %v", to, maxRedirects, redirectWindow),
			Local:   "ike.follow_redirects: true", Remote: "redirects to " + to.String(),
			Hint: "the peer's gateways send their clients to one another: see their configuration, or set ike.follow_redirects to false",
		})
		return
	}
	m.redirects = append(m.redirects, m.now)
	s.stayApart()
	m.redirection = &redirection{from: s.remote.Addr(), expected: s.peerAddress(), configured: s.configured, replaces: s.reauthenticates}
	if s.reauthenticates == nil && s.proven {
		m.redirection.replaces = s
	}
	if old := s.reauthenticates; old != nil && !s.quiet { // the other gateway may not answer
		old.reauthAt = m.later(rekeyWait, waitJitter)
	}
	s.reauthenticates = nil
	m.emit(sa.RedirectedTo{Connection: m.settings.Name, From: s.remote, To: to.String()})
	m.do(sa.Redirect{To: to.String()})
}

// redirected goes on with an address, or without one.
func (m *Machine) redirected(ev sa.Redirected) {
	r := m.redirection
	m.redirection = nil
	switch {
	case r == nil:
	case ev.Failure != nil:
		m.fail(netip.AddrPort{}, ev.Failure)
	case !m.wanted: // Down came meanwhile
	default:
		m.goTo(ev, r)
	}
}

// goTo makes the IKE SA with the gateway that another one named.
func (m *Machine) goTo(ev sa.Redirected, r *redirection) {
	old := r.replaces
	if old != nil && (old.state >= deleting || old.wantDelete || m.successorOf(old) != nil) {
		old = nil
	}
	if old == nil && m.busy() {
		return
	}
	n := m.connect(ev.Local, ev.Remote)
	if n == nil {
		return
	}
	n.redirectedFrom, n.expected, n.configured = r.from, r.expected, r.configured
	if old != nil {
		n.reauthenticates, n.quiet = old, true
	}
}

// peerAddress is the address that stands for the peer's identity where none is
// configured: that of the gateway which was asked first.
func (s *ikeSA) peerAddress() netip.Addr {
	if s.expected.IsValid() {
		return s.expected
	}
	return s.remote.Addr()
}
