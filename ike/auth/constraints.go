package auth

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Name constraints (RFC 5280 §4.2.1.10). The standard library holds host names,
// mail addresses, URIs and IP addresses against them; distinguished names are
// held against them here. A constraint on any other kind of name is refused:
// what is not understood must not be ignored.

var oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

// The kinds of GeneralName.
const (
	generalMail      = 1
	generalDNS       = 2
	generalDirectory = 4
	generalURI       = 6
	generalIP        = 7
)

// maxConstraints bounds the subtrees of one certificate.
const maxConstraints = 256

// directoryConstraints are the distinguished names within which an authority
// may issue, and those within which it may not.
type directoryConstraints struct{ permitted, excluded []distinguishedName }

var errConstraints = errors.New("malformed name constraints")

// constraintsOf reads the name constraints of a certificate; nil: it has none.
func constraintsOf(c *x509.Certificate) (*directoryConstraints, error) {
	for _, e := range c.Extensions {
		if e.Id.Equal(oidNameConstraints) {
			return parseConstraints(e.Value)
		}
	}
	return nil, nil
}

func parseConstraints(der []byte) (*directoryConstraints, error) {
	in := cryptobyte.String(der)
	var body cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, errConstraints
	}
	d := &directoryConstraints{}
	count := 0
	for tag, into := range []*[]distinguishedName{&d.permitted, &d.excluded} {
		var trees cryptobyte.String
		var present bool
		if !body.ReadOptionalASN1(&trees, &present, explicit(uint8(tag))) {
			return nil, errConstraints
		}
		for !trees.Empty() {
			if count++; count > maxConstraints {
				return nil, fmt.Errorf("more than %d name constraints", maxConstraints)
			}
			if err := readSubtree(&trees, into); err != nil {
				return nil, err
			}
		}
	}
	if !body.Empty() {
		return nil, errConstraints
	}
	return d, nil
}

// readSubtree reads one GeneralSubtree. minimum and maximum are not used (RFC
// 5280 §4.2.1.10), and refused.
func readSubtree(trees *cryptobyte.String, into *[]distinguishedName) error {
	var tree, name cryptobyte.String
	var tag cbasn1.Tag
	if !trees.ReadASN1(&tree, cbasn1.SEQUENCE) || !tree.ReadAnyASN1(&name, &tag) || !tree.Empty() {
		return errConstraints
	}
	switch tag {
	case explicit(generalDirectory):
		dn, err := decodeDN(name)
		if err != nil {
			return errConstraints
		}
		*into = append(*into, dn)
	case cbasn1.Tag(generalMail).ContextSpecific(), cbasn1.Tag(generalDNS).ContextSpecific(),
		cbasn1.Tag(generalURI).ContextSpecific(), cbasn1.Tag(generalIP).ContextSpecific():
	default:
		return fmt.Errorf("a name constraint on a kind of name (tag %d) that is not supported", uint8(tag)&0x1f)
	}
	return nil
}

// allows tells whether a name is within the constraints.
func (d *directoryConstraints) allows(name distinguishedName) bool {
	for _, base := range d.excluded {
		if name.within(base) {
			return false
		}
	}
	for _, base := range d.permitted {
		if name.within(base) {
			return true
		}
	}
	return len(d.permitted) == 0
}

// within tells whether the name begins with all of base (RFC 5280 §7.1).
func (dn distinguishedName) within(base distinguishedName) bool {
	return len(dn) >= len(base) && dn[:len(base)].equal(base)
}

// checkConstraints holds the subjects of a chain, the peer's certificate first,
// against the constraints of the authorities above each. Authorities that issue
// for themselves are exempt, but for the peer's own certificate (RFC 5280
// §6.1.4).
func checkConstraints(chain []*x509.Certificate) error {
	for i := 1; i < len(chain); i++ {
		d, err := constraintsOf(chain[i])
		if err != nil || d == nil {
			if err != nil {
				return err
			}
			continue
		}
		for j, below := range chain[:i] {
			dn, err := decodeDN(below.RawSubject)
			if err != nil {
				return err
			}
			exempt := len(dn) == 0 || j > 0 && string(below.RawSubject) == string(below.RawIssuer)
			if !exempt && !d.allows(dn) {
				return fmt.Errorf("%s is outside of what %s may issue for", subjectOf(below), subjectOf(chain[i]))
			}
		}
	}
	return nil
}
