package ikev2

import (
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// An IKE SA whose peer has proved who it is to the acceptor, or shows a ticket.

// HalfOpen is an IKE SA between its IKE_SA_INIT and the machine that adopts it
// with sa.Adopt: keys, both IKE_SA_INIT messages, and the first IKE_AUTH.
type HalfOpen struct {
	association association
	since       time.Time
	auth        *message
	// settings is what its proof was held against, and ppk the post-quantum key that it
	// was made with, or nil.
	settings *sa.Settings
	ppk      *sa.PPK
}

// HalfOpen marks the type as one that sa.Handover carries.
func (*HalfOpen) HalfOpen() {}

// Erase overwrites its keys, where no machine takes it.
func (h *HalfOpen) Erase() { h.association.erase() }

// adopt takes a half-open IKE SA on and answers its IKE_AUTH.
func (m *Machine) adopt(h *HalfOpen) {
	m.stopLingering()
	s := m.add(&ikeSA{association: h.association, state: adopted, ppk: h.ppk})
	s.createdAt = h.since
	s.local, s.remote, s.configured = h.auth.local, h.auth.remote, h.auth.remote.Addr()
	if s.fragmentSize > 0 && m.settings.FragmentSize > 0 {
		s.fragmentSize = m.settings.FragmentSize
	}
	s.lingerUntil = m.now.Add(adoptTimeout)
	s.window.expectID, s.authID = h.auth.MessageID, h.auth.MessageID
	s.quiet = !m.strangers.Allow(m.now)
	s.stale = s.resumed == nil && !provesAlike(h.settings, m.settings)
	s.take(h.auth, nil)
}

// provesAlike reports whether who proved to be a connection's peer is the other's.
func provesAlike(a, b *sa.Settings) bool {
	return a == b || a.PSK.Equal(b.PSK) && a.Trust.Equal(b.Trust) && samePPK(a.PPK, b.PPK) &&
		a.RemoteIdentity == b.RemoteIdentity && a.AnyRemoteIdentity == b.AnyRemoteIdentity
}

func samePPK(a, b *sa.PPK) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.Required == b.Required && a.Secret.Equal(b.Secret)
}

// serveAuth answers the first IKE_AUTH of a peer whose proof held (RFC 7296 §2.15): it sees
// ours now.
func (s *ikeSA) serveAuth(msg *message) error {
	if s.resumed != nil {
		return s.serveResumed(msg)
	}
	if s.stale {
		return refuse(wire.NotifyTemporaryFailure, &sa.Failure{Reason: sa.ReasonLocalRefused,
			Message: "what the peer has to prove was changed while its proof was checked",
			Hint:    "the peer may try again: the configuration counts as it is now"})
	}
	settings := s.m.settings
	mine := settings.LocalID(s.local.Addr())
	s.noteRequests(msg)
	s.remoteIdentity, s.localIdentity = identityOf(msg.identity(true)), mine.String()
	s.m.emit(sa.Connecting{Connection: settings.Name, Local: s.local, Remote: s.remote})
	s.prove(mine, s.ppk, func(shown []wire.Payload, proof *wire.Authentication, f *sa.Failure) {
		if f != nil {
			s.object(wire.ExchangeIKEAuth, refuse(wire.NotifyAuthenticationFailed, f))
			return
		}
		ps := append([]wire.Payload{mine.Payload(false)}, shown...)
		if ps = append(ps, proof); s.ppk != nil {
			ps = append(ps, notify(wire.NotifyPPKIdentity, nil))
		}
		s.mixPPK()
		s.grant(msg, ps)
	})
	return nil
}
