package auth

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"

	"causeway/ike/wire"
)

// AllowedIdentities says in one line what ParseIdentity reads.
const AllowedIdentities = `an IP address, a host name (gw.example.com), @name for a host name, user@host, keyid:text, ` +
	`keyid:#hex, a distinguished name ("C=CH, O=Example, CN=gw"), asn1dn:#hex, or any`

// prefixes name a type where the form alone does not, as in strongSwan. The
// first of a type is the one that is printed.
var prefixes = []struct {
	name  string
	typ   wire.IDType
	parse func(string) (string, error)
}{
	{"ipv4", wire.IDIPv4Addr, parseIPv4},
	{"ipv6", wire.IDIPv6Addr, parseIPv6},
	{"fqdn", wire.IDFQDN, parseFQDN},
	{"dns", wire.IDFQDN, parseFQDN},
	{"email", wire.IDRFC822Addr, parseEmail},
	{"rfc822", wire.IDRFC822Addr, parseEmail},
	{"userfqdn", wire.IDRFC822Addr, parseEmail},
	{"keyid", wire.IDKeyID, parseKeyID},
	{"asn1dn", wire.IDDERASN1DN, parseDN},
}

// ParseIdentity reads an identity as people write it. The form tells the type:
// see AllowedIdentities. A prefix such as fqdn: or keyid: forces it.
func ParseIdentity(s string) (Identity, error) {
	text := trim(s)
	id, err := parseIdentity(text)
	if err != nil {
		return Identity{}, fmt.Errorf("auth: %q is no identity: %w; allowed are %s", short(text), err, AllowedIdentities)
	}
	return id, nil
}

// trim cuts white space off both ends, but leaves a space that a distinguished
// name escapes.
func trim(s string) string {
	text := strings.TrimSpace(s)
	backslashes := len(text) - len(strings.TrimRight(text, `\`))
	if backslashes%2 == 1 && strings.HasPrefix(strings.TrimLeftFunc(s, unicode.IsSpace)[len(text):], " ") {
		return text + " "
	}
	return text
}

func parseIdentity(s string) (Identity, error) {
	switch {
	case s == "":
		return Identity{}, errors.New("it is empty")
	case len(s) > 3*maxIdentity:
		return Identity{}, fmt.Errorf("it is longer than %d octets", 3*maxIdentity)
	case strings.EqualFold(s, "any") || s == "%any":
		return Identity{}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return parseAddr(a)
	}
	if prefix, rest, ok := strings.Cut(s, ":"); ok {
		for _, p := range prefixes {
			if strings.EqualFold(p.name, strings.TrimSpace(prefix)) {
				data, err := p.parse(strings.TrimLeft(rest, " "))
				return finish(p.typ, data, err)
			}
		}
	}
	typ, parse, rest := guess(s)
	data, err := parse(rest)
	return finish(typ, data, err)
}

// guess takes the type from the form.
func guess(s string) (wire.IDType, func(string) (string, error), string) {
	switch {
	case strings.HasPrefix(s, "@#"):
		return wire.IDKeyID, parseKeyID, s[1:]
	case strings.HasPrefix(s, "@@"):
		return wire.IDRFC822Addr, parseEmail, s[2:]
	case strings.HasPrefix(s, "@"):
		return wire.IDFQDN, parseFQDN, s[1:]
	case strings.Contains(s, "="):
		return wire.IDDERASN1DN, parseDN, s
	case strings.Contains(s, "@"):
		return wire.IDRFC822Addr, parseEmail, s
	}
	return wire.IDFQDN, parseFQDN, s
}

func finish(typ wire.IDType, data string, err error) (Identity, error) {
	if err != nil {
		return Identity{}, err
	}
	if len(data) > maxIdentity {
		return Identity{}, fmt.Errorf("its data is longer than %d octets", maxIdentity)
	}
	return Identity{typ, data}, nil
}

func parseAddr(a netip.Addr) (Identity, error) {
	if a.Zone() != "" {
		return Identity{}, errors.New("an address identity has no zone")
	}
	return FromAddr(a), nil
}

func parseIPv4(s string) (string, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return "", errors.New("it is no IPv4 address")
	}
	return string(a.AsSlice()), nil
}

func parseIPv6(s string) (string, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return "", errors.New("it is no IPv6 address")
	}
	return string(a.AsSlice()), nil
}

// parseFQDN checks a host name: labels of letters, digits, hyphens and
// underscores (RFC 1123 §2.1; underscores are common in practice).
func parseFQDN(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("the name is empty")
	case len(s) > 253:
		return "", errors.New("a host name has at most 253 octets")
	case strings.Contains(s, "*"):
		return "", errors.New("wildcards are not supported, write any to accept every identity")
	case strings.Contains(s, "/"):
		return "", errors.New("a network is no identity")
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if err := checkLabel(label); err != nil {
			return "", err
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "", errors.New("a host name does not end in a number; write keyid: before it if it is just a text")
	}
	return s, nil
}

func checkLabel(label string) error {
	if label == "" || len(label) > 63 {
		return errors.New("each part of a host name has 1 to 63 characters")
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return errors.New("no part of a host name starts or ends with a hyphen")
	}
	for _, r := range label {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
		if !ok {
			return fmt.Errorf("%q is not allowed in a host name", r)
		}
	}
	return nil
}

// parseEmail checks user@host.
func parseEmail(s string) (string, error) {
	user, host, ok := strings.Cut(s, "@")
	if !ok || user == "" || len(user) > 64 {
		return "", errors.New("a mail address is user@host")
	}
	for _, r := range user {
		if r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]@`, r) {
			return "", fmt.Errorf("%q is not allowed in the user of a mail address", r)
		}
	}
	if _, err := parseFQDN(host); err != nil {
		return "", err
	}
	return s, nil
}

// parseKeyID takes any text, or octets as #hex.
func parseKeyID(s string) (string, error) {
	if h, ok := strings.CutPrefix(s, "#"); ok {
		return parseHex(h)
	}
	if s == "" {
		return "", errors.New("the key ID is empty")
	}
	return s, nil
}

func parseHex(h string) (string, error) {
	b, err := hex.DecodeString(h)
	if err != nil || len(b) == 0 {
		return "", errors.New("after # hexadecimal octets are expected")
	}
	return string(b), nil
}

// short clips a text for a message.
func short(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
