package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// enum is one of some words.
func enum[V ~string](words ...V) kind[V] {
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	return kind[V]{
		shape: shape{Type: "string", Allowed: alternatives(names), Enum: names},
		text:  true,
		parse: func(text string) (V, error) {
			for _, w := range words {
				if string(w) == text {
					return w, nil
				}
			}
			if near := nearest(text, names); near != "" {
				return "", fmt.Errorf("must be %s, not %s: did you mean %s?", alternatives(names), quote(text), near)
			}
			return "", errNotAllowed
		},
	}
}

// alternatives writes `a, b or c`.
func alternatives(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// whole is a whole number within bounds.
func whole[V ~int | ~uint16](lowest, highest int, allowed string) kind[V] {
	return kind[V]{
		shape:    shape{Type: "integer", Allowed: allowed, Min: lowest, Max: highest},
		unquoted: true,
		parse: func(text string) (V, error) {
			n, err := strconv.Atoi(text)
			if err != nil || n < lowest || n > highest {
				return 0, errNotAllowed
			}
			return V(n), nil
		},
	}
}

// either is a word that stands for 0, or a value of the kind.
func either[V int | uint64 | time.Duration](word string, k kind[V]) kind[V] {
	parse := k.parse
	out := k
	out.words = []string{word}
	out.shape = shape{
		Allowed: word + ", or " + k.Allowed,
		AnyOf:   []shape{{Type: "string", Enum: []string{word}}, k.shape},
	}
	out.parse = func(text string) (V, error) {
		if text == word {
			return 0, nil
		}
		return parse(text)
	}
	return out
}

var port = whole[uint16](1, 65535, "a port from 1 to 65535")

var truth = kind[bool]{
	shape:    shape{Type: "boolean", Allowed: "true or false"},
	unquoted: true,
	parse: func(text string) (bool, error) {
		if text != "true" && text != "false" {
			return false, errNotAllowed
		}
		return text == "true", nil
	},
}

// duration is a length of time within bounds.
func duration(shortest, longest time.Duration) kind[time.Duration] {
	allowed := fmt.Sprintf("a duration from %s to %s (such as 30s, 1h30m, 2d)", formatDuration(shortest), formatDuration(longest))
	return kind[time.Duration]{
		shape: shape{Type: "string", Allowed: allowed, Pattern: durationPattern},
		parse: func(text string) (time.Duration, error) {
			v, err := parseDuration(text)
			if err == nil && (v < shortest || v > longest) {
				return 0, errNotAllowed
			}
			return v, err
		},
	}
}

// size is an amount of data of at least some bytes.
func size(smallest uint64) kind[uint64] {
	return amount("a size of at least "+formatSize(smallest)+" (such as 100GB, 64MiB)", sizePattern, smallest, 1<<62, sizeUnits)
}

// rate is an amount of data a second within bounds, in bits.
func rate(lowest, highest uint64) kind[uint64] {
	allowed := fmt.Sprintf("a rate from %s to %s (such as 500mbit, 1gbit)", formatRate(lowest), formatRate(highest))
	return amount(allowed, ratePattern, lowest, highest, rateUnits)
}

func amount(allowed, pattern string, lowest, highest uint64, units []unit) kind[uint64] {
	return kind[uint64]{
		shape: shape{Type: "string", Allowed: allowed, Pattern: pattern},
		parse: func(text string) (uint64, error) {
			v, err := parseQuantity(text, units)
			if err == nil && (v < lowest || v > highest) {
				return 0, errNotAllowed
			}
			return v, err
		},
	}
}

// word is text of one line that a rule accepts; control characters never are.
func word(allowed, pattern string) kind[string] {
	rule := regexp.MustCompile(pattern)
	return kind[string]{
		shape: shape{Type: "string", Allowed: allowed, Pattern: pattern},
		text:  true,
		parse: func(text string) (string, error) {
			if !rule.MatchString(text) || strings.ContainsFunc(text, isControl) {
				return "", errNotAllowed
			}
			return text, nil
		},
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

const (
	connectionNamePattern = `^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`
	dnsNamePattern        = `^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$`
)

var (
	gatewayName = word("a name of at most 64 letters, digits, and . _ -", `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	// The kernel's IFNAMSIZ holds 15 bytes and the end.
	interfaceName = word("an interface name of at most 15 letters, digits, and . _ -", `^[A-Za-z0-9_-][A-Za-z0-9._-]{0,14}$`)
	namespaceName = word("the name of a network namespace", `^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$`)
	identity      = word("an identity: an address, a DNS name, an e-mail address or a distinguished name", `^\S(.{0,510}\S)?$`)
	proposal      = word("a proposal in strongSwan's keywords, such as aes256gcm16-prfsha384-ecp384", `^[A-Za-z0-9_-]{1,255}$`)
	filePath      = word("the path of a file, absolute or relative to this file", `^.+$`)
	directoryPath = word("the path of a directory, absolute or relative to this file", `^.+$`)
	variable      = word("the name of an environment variable", `^[A-Za-z_][A-Za-z0-9_]{0,254}$`)
	dnsName       = regexp.MustCompile(dnsNamePattern)
	numericName   = regexp.MustCompile(`^[0-9.]+$`)
)

// socketPath must fit the kernel's sun_path, which a relative path does when
// it is resolved; that is checked later.
var socketPath = word("the path of a socket, absolute or relative to this file", `^.+$`)

// secretText is a secret in the file itself.
var secretText = kind[Secret]{
	shape:  shape{Type: "string", Allowed: "text that is not empty"},
	text:   true,
	secret: true,
	parse: func(text string) (Secret, error) {
		if text == "" {
			return Secret{}, errNotAllowed
		}
		return NewSecret(text), nil
	},
}

const hostPortAllowed = "address:port (such as 127.0.0.1:8500 or [::1]:8500), or off"

// hostPort is where an HTTP server listens, or off.
var hostPort = kind[string]{
	shape: shape{Type: "string", Allowed: hostPortAllowed, Pattern: `^(off|.*:[0-9]{1,5})$`},
	parse: func(text string) (string, error) {
		if text == "off" {
			return "", nil
		}
		host, p, err := net.SplitHostPort(text)
		if err != nil {
			return "", errNotAllowed
		}
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return "", errNotAllowed
		}
		if _, err := netip.ParseAddr(host); host != "" && err != nil && !isName(host) {
			return "", errNotAllowed
		}
		return text, nil
	},
}

// isName says whether text is a DNS name, rather than a mistyped address.
func isName(text string) bool {
	return len(text) <= 253 && dnsName.MatchString(text) && !numericName.MatchString(text)
}
