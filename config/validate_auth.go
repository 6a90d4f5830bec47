package config

import (
	"bytes"
	"fmt"
	"io"
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

// namesMethod says whether the node of a connection itself has a method of
// authentication, whatever defaults has.
func namesMethod(connection *yaml.Node) bool {
	auth := valueOf(connection, "auth")
	return slices.ContainsFunc(authKeys, func(f field[Auth]) bool { return valueOf(auth, f.Name) != nil })
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

// auth checks that there is one method, and reads the secret it names.
func (d *decoder) auth(c *Connection) {
	prefix := join("connections", c.Name) + ".auth."
	methods := d.methods(prefix)
	if len(methods) == 0 {
		prefix = "defaults.auth."
		methods = d.methods(prefix)
	}
	switch len(methods) {
	case 1:
		d.secret(c, prefix+methods[0])
	case 0:
		if d.missing(c, "auth.psk") {
			d.fail(c, "auth", "a method is required: one of psk, psk_file, psk_env and certificate")
		}
	default:
		d.at(Error, strings.TrimSuffix(prefix, "."), "has %s: only one method can be used", strings.Join(methods, " and "))
	}
}

// methods gives the methods of authentication whose keys the file has there.
func (d *decoder) methods(prefix string) []string {
	var out []string
	for _, f := range authKeys {
		if d.has(prefix + f.Name) {
			out = append(out, f.Name)
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
	if !a.PSK.IsZero() {
		for _, doubt := range doubts(a.PSK) {
			d.at(Warning, path, "%s", doubt)
		}
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

// readSecret reads a regular file only: another kind could block for ever.
func readSecret(path string) secretResult {
	failed := func(format string, args ...any) secretResult {
		return secretResult{failure: quote(path) + " " + fmt.Sprintf(format, args...)}
	}
	info, err := os.Stat(path)
	if err != nil {
		return failed("cannot be read: %s", reason(err))
	}
	if !info.Mode().IsRegular() {
		return failed("is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return failed("cannot be read: %s", reason(err))
	}
	defer func() { _ = f.Close() }() // only read from
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return failed("cannot be read: %s", reason(err))
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	switch {
	case len(data) == 0:
		return failed("is empty: it must hold the pre-shared key")
	case len(data) > maxSecretFile:
		return failed("is larger than %d bytes, which no pre-shared key needs", maxSecretFile)
	}
	r := secretResult{secret: NewSecret(string(data))}
	if readableByAll(info.Mode()) {
		r.warning = fmt.Sprintf("%s can be read by every user of this machine: chmod 600 %s", quote(path), clip(path))
	}
	return r
}

// doubts says what is weak or surprising about a pre-shared key, without
// saying the key.
func doubts(s Secret) []string {
	var out []string
	switch n := utf8.RuneCountInString(s.text); {
	case n < goodPSKLength:
		out = append(out, fmt.Sprintf("is weak: it has %d characters, and should have at least %d random ones; %s", n, goodPSKLength, makePSK))
	case variety(s.text) < goodPSKBits:
		out = append(out, "is weak: its characters repeat so much that it can be guessed; "+makePSK)
	}
	if first, last := edges(s.text); unicode.IsSpace(first) || unicode.IsSpace(last) {
		out = append(out, "begins or ends with white space, which is part of the key")
	}
	if strings.HasPrefix(s.text, "0x") || strings.HasPrefix(s.text, "0s") {
		out = append(out, "begins with "+s.text[:2]+", which is part of the key: it is not decoded, as strongSwan would")
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
		if path := d.path(&connections[i], "auth.psk"); d.has(path) && !connections[i].Auth.PSK.IsZero() {
			d.at(Warning, path, "this file holds keys and can be read by every user of this machine: chmod 600 %s, or use psk_file", clip(d.file))
			return
		}
	}
}
