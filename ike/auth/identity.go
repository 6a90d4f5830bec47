package auth

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"causeway/ike/wire"
)

// maxIdentity bounds the data of an identity, configured or received.
const maxIdentity = 2048

// Identity is who a peer says it is (RFC 7296 §3.5). It is comparable with ==,
// which is exact; Matches knows which names are the same. The zero value is any
// identity.
type Identity struct {
	Type wire.IDType
	Data string // the octets of the payload
}

// FromAddr is the identity of an address.
func FromAddr(a netip.Addr) Identity {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return Identity{}
	}
	typ := wire.IDIPv6Addr
	if a.Is4() {
		typ = wire.IDIPv4Addr
	}
	return Identity{typ, string(a.AsSlice())}
}

// FromPayload is the identity that a peer shows. Types unknown here are kept,
// so that they can be printed. The data is the peer's word: names are not
// checked for being well-formed.
func FromPayload(p *wire.Identification) (Identity, error) {
	id := Identity{p.IDType, string(p.Data)}
	want := 0
	switch p.IDType {
	case 0:
		return Identity{}, errors.New("auth: identification of the reserved type 0")
	case wire.IDNull:
		return id, nil // RFC 7619 §2.2: any data is ignored
	case wire.IDIPv4Addr:
		want = 4
	case wire.IDIPv6Addr:
		want = 16
	}
	if want != 0 && len(p.Data) != want {
		return Identity{}, fmt.Errorf("auth: identification %s of %d octets, not %d", p.IDType, len(p.Data), want)
	}
	if len(p.Data) == 0 || len(p.Data) > maxIdentity {
		return Identity{}, fmt.Errorf("auth: identification %s of %d octets: 1 to %d are allowed", p.IDType, len(p.Data), maxIdentity)
	}
	return id, nil
}

// Payload is the identity as IDi or IDr. The zero identity has none: nil.
func (id Identity) Payload(initiator bool) *wire.Identification {
	if id.IsZero() {
		return nil
	}
	return &wire.Identification{Initiator: initiator, IDType: id.Type, Data: []byte(id.Data)}
}

// Body is the payload without its generic header, as AUTH covers it for what
// this side sends. For what a peer sent, use the payload: its reserved octets
// count (RFC 7296 §2.15).
func (id Identity) Body() []byte {
	return append([]byte{byte(id.Type), 0, 0, 0}, id.Data...)
}

// IsZero tells whether this is any identity.
func (id Identity) IsZero() bool { return id == Identity{} }

// Addr is the address of an address identity.
func (id Identity) Addr() (netip.Addr, bool) {
	if id.Type != wire.IDIPv4Addr && id.Type != wire.IDIPv6Addr {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice([]byte(id.Data))
}

// Matches tells whether other is who id asks for. Host names and mail addresses
// are compared without case, distinguished names attribute by attribute,
// everything else octet by octet. The zero identity matches any, and only as
// the receiver.
func (id Identity) Matches(other Identity) bool {
	switch {
	case id.IsZero():
		return true
	case id.Type != other.Type:
		return false
	}
	same := id.Data == other.Data
	switch id.Type {
	case wire.IDFQDN, wire.IDRFC822Addr:
		return foldASCII(id.Data) == foldASCII(other.Data) || same
	case wire.IDDERASN1DN:
		// That it is the same octet by octet saves nothing: a stranger may measure it.
		a, errA := decodeDN([]byte(id.Data))
		b, errB := decodeDN([]byte(other.Data))
		return errA == nil && errB == nil && a.equal(b) || same
	}
	return same
}

// String is the identity as ParseIdentity reads it. Data that no configuration
// could hold is printed in hexadecimal, so the result is always printable.
func (id Identity) String() string {
	if id.IsZero() {
		return "any"
	}
	switch id.Type {
	case wire.IDIPv4Addr, wire.IDIPv6Addr:
		if a, ok := id.Addr(); ok {
			return a.String()
		}
	case wire.IDFQDN, wire.IDRFC822Addr:
		if p, err := ParseIdentity(id.Data); err == nil && p == id {
			return id.Data
		}
		if name := prefixOf(id.Type) + id.Data; parsesAs(name, id) {
			return name
		}
	case wire.IDKeyID:
		if name := prefixOf(id.Type) + id.Data; printable(id.Data) && parsesAs(name, id) {
			return name
		}
	case wire.IDDERASN1DN:
		if dn, err := decodeDN([]byte(id.Data)); err == nil {
			if p, err := ParseIdentity(dn.String()); err == nil && id.Matches(p) {
				return dn.String()
			}
		}
	case wire.IDNull:
		return "null:" // not to be read as a host of that name
	}
	return prefixOf(id.Type) + "#" + hex.EncodeToString([]byte(id.Data))
}

func parsesAs(s string, id Identity) bool {
	p, err := ParseIdentity(s)
	return err == nil && p == id
}

// prefixOf is the prefix that names a type in text.
func prefixOf(t wire.IDType) string {
	for _, p := range prefixes {
		if p.typ == t {
			return p.name + ":"
		}
	}
	return fmt.Sprintf("type%d:", uint8(t))
}

// printable tells whether text can be shown as it is.
func printable(s string) bool {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return false
		}
	}
	return utf8.ValidString(s)
}

// foldASCII lowers A to Z only: other octets are not text that we know.
func foldASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
