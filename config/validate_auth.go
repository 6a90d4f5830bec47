package config

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const (
	goodPSKLength = 16 // characters
	goodPSKBits   = 48 // as the variety of its characters shows
	maxSecretFile = 4096
	makePSK       = "make one with: openssl rand -base64 24"
)

// methodKeys are the keys that each are a method of authentication.
var methodKeys = []struct {
	name   string
	method Method
}{
	{"psk", MethodPSK}, {"psk_file", MethodPSK}, {"psk_env", MethodPSK},
	{"certificate", MethodCertificate}, {"public_key", MethodPublicKey},
}

// inherit is what a connection, by its node, has of the auth of defaults. A method of
// its own replaces those of defaults; of the same method it has the keys that it does
// not give.
func inherit(defaults Auth, connection *yaml.Node) Auth {
	own, named := valueOf(connection, "auth"), map[Method]bool{}
	for _, k := range methodKeys {
		if valueOf(own, k.name) != nil {
			named[k.method] = true
		}
	}
	if len(named) == 0 {
		return defaults
	}
	out := Auth{PSKEncoding: defaults.PSKEncoding, Signatures: defaults.Signatures, PPK: defaults.PPK, XAUTH: defaults.XAUTH}
	if named[MethodCertificate] {
		out.Certificate = defaults.Certificate
	}
	if named[MethodPublicKey] {
		out.PublicKey = defaults.PublicKey
	}
	return out
}

// valueOf gives what stands behind a key of a mapping, or nil.
func valueOf(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := follow(n.Content[i]); k.Kind == yaml.ScalarNode && k.Value == name {
			return follow(n.Content[i+1])
		}
	}
	return nil
}

// auth checks that each side has one method, and reads the secrets and files
// that it names.
func (d *decoder) auth(c *Connection) {
	d.ppk(c)
	prefix := join("connections", c.Name) + ".auth."
	keys := d.methods(prefix)
	if len(keys) == 0 {
		prefix = "defaults.auth."
		keys = d.methods(prefix)
	}
	if len(keys) == 0 {
		if d.missing(c, "auth.psk") {
			d.fail(c, "auth", "a method is required: one of psk, psk_file, psk_env, certificate and public_key")
		}
		return
	}
	var methods []Method
	for _, k := range methodKeys {
		if slices.Contains(keys, k.name) {
			if slices.Contains(methods, k.method) {
				d.at(Error, strings.TrimSuffix(prefix, "."), "has %s: only one method can be used", strings.Join(keys, " and "))
				return
			}
			methods = append(methods, k.method)
		}
	}
	for _, k := range keys {
		if strings.HasPrefix(k, "psk") {
			d.secret(c, prefix+k)
		}
	}
	d.authFiles(c, prefix)
	if d.authSides(c, prefix, keys, methods) {
		d.authParts(c, prefix)
	}
}

// ppk reads the post-quantum key and judges it.
func (d *decoder) ppk(c *Connection) {
	p := &c.Auth.PPK
	if !d.given(c, "auth.ppk") {
		return
	}
	path := "auth.ppk.secret"
	if p.ID == "" && !d.broken[d.path(c, "auth.ppk.id")] {
		d.fail(c, "auth.ppk.id", "is required: both ends name the key by it")
	}
	switch {
	case p.File != "" && !p.Secret.IsZero():
		d.fail(c, "auth.ppk", "has secret and file: only one can be used")
		return
	case p.File == "" && p.Secret.IsZero() && !d.broken[d.path(c, path)]:
		d.fail(c, "auth.ppk", "needs the key: secret or file")
		return
	}
	if p.File != "" {
		path = "auth.ppk.file"
		p.File = d.resolve(p.File)
		p.Secret = d.cached(d.path(c, path), "file "+p.File, func() secretResult { return readSecret(p.File) })
	}
	if n := len(p.Secret.text); n > 0 && n < goodPPKLength {
		d.warn(c, path, "is short: it has %d characters, and should have %d random ones to withstand quantum computers; make one with: openssl rand -base64 48", n, goodPPKLength)
	}
}

// goodPPKLength is 256 bits in base64.
const goodPPKLength = 43

// authSides settles which method each side uses.
func (d *decoder) authSides(c *Connection, prefix string, keys []string, methods []Method) bool {
	a, ok := &c.Auth, true
	for _, side := range []struct {
		key string
		use *Method
	}{{"auth.local", &a.Local}, {"auth.remote", &a.Remote}} {
		switch {
		case *side.use == "" && len(methods) == 1:
			*side.use = methods[0]
		case *side.use == "" && ok:
			d.at(Error, strings.TrimSuffix(prefix, "."), "has %s: say with local and remote which side uses which", strings.Join(keys, " and "))
			ok = false
		case *side.use != "" && !slices.Contains(methods, *side.use):
			d.fail(c, side.key, "is %s, which auth does not have: it has %s", *side.use, strings.Join(keys, " and "))
			ok = false
		}
	}
	for _, m := range methods {
		if ok && a.Local != m && a.Remote != m {
			d.at(Error, strings.TrimSuffix(prefix, "."), "has %s, which neither side uses", m)
			ok = false
		}
	}
	return ok
}

// authKey is where a key of auth stands: with the connection's own method, or, of
// what that leaves out, under defaults.
func (d *decoder) authKey(prefix, key string) string {
	if inherited := "defaults.auth." + key; !d.has(prefix+key) && d.has(inherited) {
		return inherited
	}
	return prefix + key
}

// authFiles reads the files of the methods.
func (d *decoder) authFiles(c *Connection, prefix string) {
	a := &c.Auth
	d.read(&a.Certificate.Chain, d.authKey(prefix, "certificate.chain"), "certificates", false)
	d.read(&a.Certificate.Key, d.authKey(prefix, "certificate.key"), "a private key", true)
	d.read(&a.PublicKey.Key, d.authKey(prefix, "public_key.key"), "a private key", true)
	a.Certificate.CA = d.readAll(a.Certificate.CA, d.authKey(prefix, "certificate.ca"), "certificates")
	a.Certificate.CRL = d.readAll(a.Certificate.CRL, d.authKey(prefix, "certificate.crl"), "a revocation list")
	a.PublicKey.Peer = d.readAll(a.PublicKey.Peer, d.authKey(prefix, "public_key.peer"), "a public key")
}

// authParts checks that the sides have the files that they need, and has these judged.
func (d *decoder) authParts(c *Connection, prefix string) {
	a := &c.Auth
	need := func(used bool, key string, there bool, side string) {
		if used && !there && !d.broken[d.authKey(prefix, key)] {
			d.at(Error, prefix+key, "is required: %s", side)
		}
	}
	certified := func(m Method) bool { return m == MethodCertificate }
	need(certified(a.Local), "certificate.chain", !a.Certificate.Chain.IsZero(), "this gateway proves itself with a certificate")
	need(certified(a.Local), "certificate.key", !a.Certificate.Key.IsZero(), "this gateway proves itself with a certificate")
	need(certified(a.Remote), "certificate.ca", len(a.Certificate.CA) > 0, "the peer proves itself with a certificate")
	need(a.Local == MethodPublicKey, "public_key.key", !a.PublicKey.Key.IsZero(), "this gateway proves itself with its key")
	need(a.Remote == MethodPublicKey, "public_key.peer", len(a.PublicKey.Peer) > 0, "the peer proves itself with its key")
	if d.checks.Auth == nil {
		return
	}
	for _, p := range d.checks.Auth(c) {
		severity := Error
		if p.Doubt {
			severity = Warning
		}
		at := d.authKey(prefix, p.Key)
		if p.Key == "" {
			at = strings.TrimSuffix(prefix, ".")
		}
		if strings.HasPrefix(p.Key, "signatures") {
			at = d.path(c, "auth.signatures") + strings.TrimPrefix(p.Key, "signatures")
		}
		if !d.wrongAt(at) {
			d.at(severity, at, "%s", p.What)
		}
	}
}

// wrongAt says whether a setting, or one in it, has an error already: what it holds
// was not read.
func (d *decoder) wrongAt(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool {
		rest, in := strings.CutPrefix(p.Path, path)
		return in && p.Severity == Error && (rest == "" || rest[0] == '[')
	})
}

// readAll reads the files of a list, which connections may share.
func (d *decoder) readAll(files []File, path, holds string) []File {
	out := slices.Clone(files)
	for i := range out {
		d.read(&out[i], index(path, i), holds, false)
	}
	return out
}

// methods gives the methods of authentication whose keys the file has there.
func (d *decoder) methods(prefix string) []string {
	var out []string
	for _, k := range methodKeys {
		if d.has(prefix + k.name) {
			out = append(out, k.name)
		}
	}
	return out
}

// secret fills in the pre-shared key from where it is, and judges it.
func (d *decoder) secret(c *Connection, path string) {
	a := &c.Auth
	switch {
	case strings.HasSuffix(path, ".psk_file") && a.PSKFile != "":
		a.PSKFile = d.resolve(a.PSKFile)
		a.PSK = d.cached(path, "file "+a.PSKFile, func() secretResult { return readSecret(a.PSKFile) })
	case strings.HasSuffix(path, ".psk_env") && a.PSKEnv != "":
		a.PSK = d.cached(path, "environment "+a.PSKEnv, func() secretResult { return secretOf(a.PSKEnv) })
	}
	if a.PSK.IsZero() {
		return
	}
	written := a.PSK
	octets, err := decodePSK(written, a.PSKEncoding)
	if err != nil {
		d.at(Error, path, "%v", err)
		return
	}
	a.PSK = octets
	for _, doubt := range doubts(written, octets) {
		d.at(Warning, path, "%s", doubt)
	}
}

// secretResult is what reading a secret gave; failure and warning are texts.
type secretResult struct {
	secret           Secret
	failure, warning string
}

// cached reads a secret once, however many connections share it.
func (d *decoder) cached(path, source string, read func() secretResult) Secret {
	r, ok := d.secrets[source]
	if !ok {
		r = read()
		d.secrets[source] = r
	}
	if r.failure != "" {
		d.at(Error, path, "%s", r.failure)
	}
	if r.warning != "" {
		d.at(Warning, path, "%s", r.warning)
	}
	return r.secret
}

func secretOf(variable string) secretResult {
	switch text, ok := os.LookupEnv(variable); {
	case !ok:
		return secretResult{failure: fmt.Sprintf("the environment variable %s is not set: it must hold the pre-shared key", variable)}
	case text == "":
		return secretResult{failure: fmt.Sprintf("the environment variable %s is empty: it must hold the pre-shared key", variable)}
	default:
		return secretResult{secret: NewSecret(text)}
	}
}

// readSecret reads the pre-shared key of a file.
func readSecret(path string) secretResult {
	failed := func(format string, args ...any) secretResult {
		return secretResult{failure: quote(path) + " " + fmt.Sprintf(format, args...)}
	}
	data, mode, failure := readRegular(path, maxSecretFile)
	if failure != "" {
		return secretResult{failure: failure}
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	switch {
	case len(data) == 0:
		return failed("is empty: it must hold the pre-shared key")
	case len(data) > maxSecretFile:
		return failed("is larger than %d bytes, which no pre-shared key needs", maxSecretFile)
	}
	r := secretResult{secret: NewSecret(string(data))}
	if readableByAll(mode) {
		r.warning = exposedFile(path)
	}
	return r
}

// exposedFile warns of a file with secrets that every user can read.
func exposedFile(path string) string {
	return fmt.Sprintf("%s can be read by every user of this machine: chmod 600 %s", quote(path), clip(path))
}

// doubts says what is weak or surprising about a pre-shared key, without saying the
// key. octets is what it stands for as written: the same, or decoded.
func doubts(written, octets Secret) []string {
	var out []string
	text, unit := written.text, "characters"
	decoded := octets != written
	if decoded {
		text, unit = oneRuneEach(octets.text), "octets"
	}
	switch n := utf8.RuneCountInString(text); {
	case n < goodPSKLength:
		out = append(out, fmt.Sprintf("is weak: it has %d %s, and should have at least %d random ones; %s", n, unit, goodPSKLength, makePSK))
	case variety(text) < goodPSKBits:
		out = append(out, "is weak: its "+unit+" repeat so much that it can be guessed; "+makePSK)
	}
	if decoded {
		return out
	}
	if first, last := edges(text); unicode.IsSpace(first) || unicode.IsSpace(last) {
		out = append(out, "begins or ends with white space, which is part of the key")
	}
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0s") {
		out = append(out, "begins with "+text[:2]+", which is part of the key: it is not decoded, as strongSwan would; psk_encoding decodes one")
	}
	return out
}

func edges(text string) (first, last rune) {
	first, _ = utf8.DecodeRuneInString(text)
	last, _ = utf8.DecodeLastRuneInString(text)
	return first, last
}

// variety estimates the bits in a text from how its characters are spread: an
// upper bound, which words pass and repetition does not.
func variety(text string) float64 {
	counts := map[rune]int{}
	for _, r := range text {
		counts[r]++
	}
	n := float64(utf8.RuneCountInString(text))
	bits := 0.0
	for _, c := range counts {
		bits += float64(c) * math.Log2(n/float64(c))
	}
	return bits
}

// exposure warns once if every user can read a file with keys in it.
func (d *decoder) exposure(connections []Connection) {
	if !d.exposed {
		return
	}
	for i := range connections {
		c := &connections[i]
		for _, inline := range []struct {
			key, instead string
			secret       Secret
		}{{"auth.psk", "psk_file", c.Auth.PSK}, {"auth.ppk.secret", "file", c.Auth.PPK.Secret}} {
			if path := d.path(c, inline.key); d.has(path) && !inline.secret.IsZero() {
				d.at(Warning, path, "this file holds keys and can be read by every user of this machine: chmod 600 %s, or use %s", clip(d.file), inline.instead)
				return
			}
		}
	}
}
