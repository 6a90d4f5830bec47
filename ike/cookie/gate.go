package cookie

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Verdict is what becomes of an IKE_SA_INIT request.
type Verdict uint8

const (
	Drop      Verdict = iota // say nothing, keep nothing
	Challenge                // answer with N(COOKIE) alone, keep nothing (RFC 7296 §2.6)
	Accept                   // process the request
)

// String is one lower-case word, for logs and metric labels.
func (v Verdict) String() string {
	switch v {
	case Drop:
		return "drop"
	case Challenge:
		return "challenge"
	case Accept:
		return "accept"
	}
	return fmt.Sprintf("verdict %d", uint8(v))
}

// Config sets the limits. A zero field takes the default in its comment.
type Config struct {
	Random io.Reader // entropy for the secrets; required

	ChallengeTotal  int // half-open IKE SAs from which on every request must show a cookie: 32
	ChallengeSource int // the same for one source (IPv4 address or IPv6 /64): 4
	MaxTotal        int // half-open IKE SAs at once: 4096; beyond, one more with a cookie takes the place of the oldest
	MaxSource       int // the same for one source, which needed a cookie for all but ChallengeSource: 1024

	AcceptRate  int // requests accepted a second without a cookie, of all sources together: 100
	AcceptBurst int // how many of them at once: 200

	SecretLifetime  time.Duration // a cookie is good for one to two of these: 1m
	HalfOpenTimeout time.Duration // when a half-open IKE SA is forgotten without Closed: 2m

	// Requests without a valid cookie that get an answer, of one source: the cookie,
	// which is shorter than what it answers. A gateway with very many connections asks
	// for as many when it starts.
	ChallengeRate  int // a second: 200
	ChallengeBurst int // at once: 400

	ResponseRate  int // other answers a second to a source that shows no valid cookie: 20
	ResponseBurst int // how many of them at once: 40
	MaxSources    int // sources whose answers are counted apart; the others share counts by a hash: 8192
}

func (c *Config) setDefaults() {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&c.ChallengeTotal, 32},
		{&c.ChallengeSource, 4},
		{&c.MaxTotal, 4096},
		{&c.MaxSource, 1024},
		{&c.AcceptRate, 100},
		{&c.AcceptBurst, 200},
		{&c.ChallengeRate, 200},
		{&c.ChallengeBurst, 400},
		{&c.ResponseRate, 20},
		{&c.ResponseBurst, 40},
		{&c.MaxSources, 8192},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	if c.SecretLifetime == 0 {
		c.SecretLifetime = time.Minute
	}
	if c.HalfOpenTimeout == 0 {
		c.HalfOpenTimeout = 2 * time.Minute
	}
}

func (c *Config) validate() error {
	if c.Random == nil {
		return errors.New("cookie: no source of randomness")
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"ChallengeTotal", int64(c.ChallengeTotal)},
		{"ChallengeSource", int64(c.ChallengeSource)},
		{"MaxTotal", int64(c.MaxTotal)},
		{"MaxSource", int64(c.MaxSource)},
		{"AcceptRate", int64(c.AcceptRate)},
		{"AcceptBurst", int64(c.AcceptBurst)},
		{"ChallengeRate", int64(c.ChallengeRate)},
		{"ChallengeBurst", int64(c.ChallengeBurst)},
		{"ResponseRate", int64(c.ResponseRate)},
		{"ResponseBurst", int64(c.ResponseBurst)},
		{"MaxSources", int64(c.MaxSources)},
		{"SecretLifetime", int64(c.SecretLifetime)},
		{"HalfOpenTimeout", int64(c.HalfOpenTimeout)},
	} {
		if f.value < 0 {
			return fmt.Errorf("cookie: %s is negative", f.name)
		}
	}
	return nil
}

// Counters say what became of the requests so far.
type Counters struct {
	Accepted, Challenged, Dropped uint64
}

// Gate decides about IKE_SA_INIT requests. It is not safe for concurrent use.
type Gate struct {
	cfg      Config
	secrets  *secrets
	halfOpen *halfOpen
	limiter  *limiter
	asked    *limiter // requests without a cookie
	unproven *limiter // one bucket, for the sources that show no cookie
	counters Counters
}

// New returns a Gate, with its first secret drawn from cfg.Random.
func New(cfg Config) (*Gate, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s, err := newSecrets(cfg.Random, cfg.SecretLifetime)
	if err != nil {
		return nil, err
	}
	answers := newLimiter(cfg.ResponseRate, cfg.ResponseBurst, cfg.MaxSources)
	asked := newLimiter(cfg.ChallengeRate, cfg.ChallengeBurst, cfg.MaxSources)
	answers.key = s.current.derive("shared buckets") // no request has a nonce of so many octets as this begins with
	asked.key = answers.key
	return &Gate{
		cfg:      cfg,
		secrets:  s,
		halfOpen: newHalfOpen(cfg.HalfOpenTimeout, cfg.MaxTotal),
		limiter:  answers,
		asked:    asked,
		unproven: newLimiter(cfg.AcceptRate, cfg.AcceptBurst, 0),
	}, nil
}

// Admit decides about a new IKE_SA_INIT request: where it came from, its initiator SPI, the data of its nonce, and the
// data of its N(COOKIE), nil if it has none. With Challenge comes the cookie to answer with, which the caller owns. A
// cookie that is not ours or too old counts as none (RFC 7296 §2.6).
//
// A retransmission of a request that was accepted must be recognised before, by the state it has.
func (g *Gate) Admit(now time.Time, source netip.AddrPort, spiI uint64, ni, cookie []byte) (Verdict, []byte) {
	v := g.admit(now, source, spiI, ni, cookie)
	switch v {
	case Accept:
		g.counters.Accepted++
	case Challenge:
		g.counters.Challenged++
		return v, g.secrets.bake(source, spiI, ni)
	case Drop:
		g.counters.Dropped++
	}
	return v, nil
}

func (g *Gate) admit(now time.Time, source netip.AddrPort, spiI uint64, ni, cookie []byte) Verdict {
	if !source.Addr().IsValid() {
		return Drop
	}
	g.secrets.rotate(now)
	g.halfOpen.expire(now)
	key := aggregate(source.Addr())
	total, own := g.halfOpen.total(), g.halfOpen.of(key)
	switch {
	case own >= g.cfg.MaxSource:
		return Drop
	case g.secrets.verify(cookie, source, spiI, ni):
		return Accept
	case !g.asked.allow(now, key):
		return Drop
	case total >= min(g.cfg.ChallengeTotal, g.cfg.MaxTotal) || own >= g.cfg.ChallengeSource:
		return Challenge
	case !g.unproven.take(&g.unproven.overflow, now):
		// Requests that come to nothing leave no half-open IKE SA and cost work
		// all the same; their sources may be forged.
		return Challenge
	}
	return Accept
}

// AllowResponse asks for any other answer to a message that is not authenticated, such as N(INVALID_IKE_SPI) or
// N(INVALID_MAJOR_VERSION). They have a count of their own.
func (g *Gate) AllowResponse(now time.Time, source netip.AddrPort) bool {
	return source.Addr().IsValid() && g.limiter.allow(now, aggregate(source.Addr()))
}

// Opened counts a half-open IKE SA: an accepted request was answered, its IKE_AUTH is awaited.
func (g *Gate) Opened(now time.Time, source netip.AddrPort) {
	g.halfOpen.expire(now)
	g.halfOpen.add(now, aggregate(source.Addr()))
}

// Closed takes back one Opened of that source: the IKE SA is authenticated, or given up. To be called within
// HalfOpenTimeout; later it would take back another one.
func (g *Gate) Closed(now time.Time, source netip.AddrPort) {
	g.halfOpen.expire(now)
	g.halfOpen.removeOldest(aggregate(source.Addr()))
}

// HalfOpen is the number of half-open IKE SAs.
func (g *Gate) HalfOpen(now time.Time) int {
	g.halfOpen.expire(now)
	return g.halfOpen.total()
}

// Counters returns what became of the requests so far.
func (g *Gate) Counters() Counters { return g.counters }
