package ikev1

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
)

// XAUTH (draft-beaulieu-ike-xauth-02): after phase 1, the responder asks its
// initiator for a user and a password. One try for each phase 1.
//
//	                                          <--  HDR*, HASH, ATTR(REQUEST: user, password)
//	HDR*, HASH, ATTR(REPLY: user, password)   -->
//	                                          <--  HDR*, HASH, ATTR(SET: status)
//	HDR*, HASH, ATTR(ACK)                     -->

// waiting is what an ISAKMP SA still needs before it can be used.
type waiting uint8

const (
	waitsForNothing waiting = iota
	waitsForLogin
	waitsForAddress
)

const (
	statusFailed = 0
	statusOK     = 1
	// maxLogin bounds a user's name and a password.
	maxLogin = 128
)

// xauthMethod is the method of authentication of phase 1 with XAUTH of its
// initiator.
func xauthMethod(base uint16) uint16 {
	switch base {
	case isakmp.AuthPSK:
		return isakmp.AuthXAUTHInitPSK
	case isakmp.AuthRSA:
		return isakmp.AuthXAUTHInitRSA
	}
	return 0
}

// offeredMethod is the method of authentication that a connection names in its
// SA payload; methodOf is what of it proves the two ends.
func offeredMethod(s *sa.Settings) uint16 {
	if s.XAUTH == nil {
		return methodOf(s)
	}
	return xauthMethod(methodOf(s))
}

// names of the methods that an offer can have, for people.
var methodWords = map[uint16]string{
	isakmp.AuthPSK: "pre-shared key", isakmp.AuthRSA: "RSA signatures", isakmp.AuthDSS: "DSS signatures",
	isakmp.AuthECDSA256: "ECDSA with P-256", isakmp.AuthECDSA384: "ECDSA with P-384", isakmp.AuthECDSA521: "ECDSA with P-521",
	isakmp.AuthXAUTHInitPSK: "pre-shared key, then a login (XAUTH)", isakmp.AuthXAUTHInitRSA: "RSA signatures, then a login (XAUTH)",
}

// methodNames are how connections want to authenticate, and what an offer has.
func methodNames(among []*sa.Settings, offered []phaseOne) (ours, theirs string) {
	var here, there []string
	add := func(list []string, method uint16) []string {
		name, ok := methodWords[method]
		if !ok {
			name = fmt.Sprintf("method %d", method)
		}
		if slices.Contains(list, name) || len(list) == len(methodWords) {
			return list
		}
		return append(list, name)
	}
	for _, c := range among {
		here = add(here, offeredMethod(c))
	}
	for _, x := range offered {
		there = add(there, x.method)
	}
	return strings.Join(here, "; "), strings.Join(there, "; ")
}

// baseMethod is the method without XAUTH.
func baseMethod(m uint16) uint16 {
	switch m {
	case isakmp.AuthXAUTHInitPSK:
		return isakmp.AuthPSK
	case isakmp.AuthXAUTHInitRSA:
		return isakmp.AuthRSA
	}
	return m
}

// askLogin asks the peer who its user is.
func (s *ikeSA) askLogin() {
	empty := []isakmp.Attribute{{Type: isakmp.XAUTHUser}, {Type: isakmp.XAUTHPassword}}
	s.transact(isakmp.ConfigRequest, empty, func(p *isakmp.Configuration) {
		user, password := p.Value(isakmp.XAUTHUser), p.Value(isakmp.XAUTHPassword)
		ok := p.ConfigType == isakmp.ConfigReply && s.m.logins.open(s.m.now) && s.m.settings.XAUTH.Server() && s.m.settings.XAUTH.Knows(user, password)
		clear(password)
		status := uint16(statusFailed)
		if s.m.logins.note(ok, s.m.now); ok {
			status = statusOK
		}
		s.granted = ok
		s.transact(isakmp.ConfigSet, []isakmp.Attribute{isakmp.Short(isakmp.XAUTHStatus, status)}, func(*isakmp.Configuration) {
			if !ok {
				s.sayDeleted()
				s.drop(causeFinished, ending{failure: &sa.Failure{Reason: sa.ReasonAuthenticationFailed,
					Message: "the peer's user or password is wrong (XAUTH), or too many were of late",
					Remote:  fmt.Sprintf("user %.*q", maxLogin, user), Hint: "compare them with the file of auth.xauth.users"}})
				return
			}
			s.proceedPhaseOne()
		})
	})
}

// logins bounds how fast passwords can be tried: after five wrong ones in a row
// none is looked at for a minute.
type logins struct {
	wrong int
	until time.Time
}

const (
	mostWrong = 5
	wrongWait = time.Minute
)

func (l *logins) open(now time.Time) bool { return !now.Before(l.until) }

func (l *logins) note(ok bool, now time.Time) {
	switch {
	case !l.open(now):
	case ok:
		l.wrong = 0
	default:
		if l.wrong++; l.wrong >= mostWrong {
			l.wrong, l.until = 0, now.Add(wrongWait)
		}
	}
}

// login answers the peer that asks for user and password.
func (s *ikeSA) login(p *isakmp.Configuration) (out []isakmp.Attribute, ok bool) {
	x := s.m.settings.XAUTH
	if x == nil || x.Server() {
		return nil, false
	}
	for _, a := range p.Attributes {
		if slices.ContainsFunc(out, func(o isakmp.Attribute) bool { return o.Type == a.Type }) {
			continue // who asks again and again does not choose how long the answer is
		}
		switch a.Type {
		case isakmp.XAUTHType:
			out = append(out, isakmp.Short(isakmp.XAUTHType, 0)) // generic
		case isakmp.XAUTHUser:
			out = append(out, isakmp.Attribute{Type: a.Type, Value: []byte(x.User)})
		case isakmp.XAUTHPassword, isakmp.XAUTHPasscode:
			out = append(out, isakmp.Attribute{Type: a.Type, Value: x.Password.Bytes()})
		}
	}
	return out, true
}

// loggedIn takes the peer's word of what became of our login.
func (s *ikeSA) loggedIn(status isakmp.Attribute) (done func(), ok bool) {
	x := s.m.settings.XAUTH
	if s.waits != waitsForLogin || x == nil || x.Server() { // nil: the settings changed meanwhile
		return nil, false
	}
	if v, _ := status.Number(); v == statusOK {
		return s.proceedPhaseOne, true
	}
	return func() {
		s.sayDeleted()
		s.drop(causeFinished, ending{failure: &sa.Failure{Reason: sa.ReasonAuthenticationFailed,
			Message: "the peer refuses our user or password (XAUTH)", Local: "user " + x.User,
			Hint: "compare auth.xauth with what the peer knows"}})
	}, true
}
