package ikev1

import (
	"crypto/cipher"
	"crypto/hmac"
	"errors"
	"net/netip"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// association is what makes an ISAKMP SA one: cookies, addresses, suite and
// keys. A half-open SA of the acceptor and an ISAKMP SA of a machine both are
// one.
type association struct {
	initiator        bool
	cookieI, cookieR uint64
	local, remote    netip.AddrPort
	nat              natState
	peer             abilities
	fragmentID       uint16   // of the last message that was cut
	incoming         assembly // of the message whose fragments come in

	suite  transform.Suite
	prf    *transform.PRF
	signed *transform.PRF // of HASH_I and HASH_R
	method uint16         // of authentication
	life   time.Duration  // what both ends agreed on; 0: no limit

	// offer is the body of the initiator's SA payload, which both hashes cover.
	offer            []byte
	publicI, publicR []byte
	nonceI, nonceR   []byte
	keys             keymat.IKEv1Keys
	block            cipher.Block
	iv               []byte // of the next message of phase 1; after it, its last block
}

func (a *association) localCookie() uint64 {
	if a.initiator {
		return a.cookieI
	}
	return a.cookieR
}

// choose takes the suite on. It is one that transform matched, so its PRF
// exists.
func (a *association) choose(s transform.Suite, method uint16) error {
	prf, err := transform.NewPRF(s.PRF.ID)
	if err != nil {
		return err
	}
	signed, err := transform.NewPRF(proofPRF(s.PRF.ID, method))
	a.suite, a.prf, a.signed, a.method = s, prf, signed, method
	return err
}

// deriveKeys takes all keys from SKEYID, which it owns from then on.
func (a *association) deriveKeys(skeyid, shared []byte) error {
	a.keys = keymat.DeriveIKEv1(a.prf, skeyid, shared, a.cookieI, a.cookieR)
	key := keymat.IKEv1CipherKey(a.prf, a.keys.E, cipherKeyLen(a.suite))
	defer keymat.Erase(key)
	block, err := transform.NewBlock(a.suite.Encryption, key)
	if err != nil {
		return err
	}
	a.block = block
	a.iv = keymat.IKEv1PhaseOneIV(a.prf, a.publicI, a.publicR, block.BlockSize())
	return nil
}

func cipherKeyLen(s transform.Suite) int { return s.EncryptionKeyLen() }

// erase overwrites every key.
func (a *association) erase() {
	a.keys.Erase()
	a.block = nil
}

// header is that of our next message in an exchange.
func (a *association) header(ex isakmp.ExchangeType, id uint32) isakmp.Header {
	return isakmp.Header{InitiatorCookie: a.cookieI, ResponderCookie: a.cookieR, Exchange: ex, MessageID: id}
}

// clear lays a message out that is not encrypted.
func clearMessage(h isakmp.Header, ps []isakmp.Payload) ([]byte, error) {
	return (&isakmp.Message{Header: h, Payloads: ps}).Append(nil)
}

// seal lays an encrypted message out. next is the initialisation vector of the
// message after it: the last block of ciphertext (RFC 2409 appendix B).
func (a *association) seal(h isakmp.Header, ps []isakmp.Payload, iv []byte) (raw, next []byte, err error) {
	plain, err := isakmp.AppendPayloads(nil, ps)
	if err != nil {
		return nil, nil, err
	}
	size := a.block.BlockSize()
	if odd := len(plain) % size; odd != 0 {
		plain = append(plain, make([]byte, size-odd)...)
	}
	if len(plain) == 0 {
		return nil, nil, errors.New("ikev1: nothing to encrypt")
	}
	cipher.NewCBCEncrypter(a.block, iv).CryptBlocks(plain, plain)
	h.Flags |= isakmp.FlagEncryption
	h.NextPayload = isakmp.FirstType(ps)
	raw, err = (&isakmp.Message{Header: h, Body: plain}).Append(nil)
	return raw, plain[len(plain)-size:], err
}

var (
	errNotEncrypted = errors.New("ikev1: the message is not encrypted")
	errLength       = errors.New("ikev1: the encrypted part is no whole number of blocks")
	errHash         = errors.New("ikev1: the HASH payload is wrong")
)

// opened is a message that was decrypted. Until its HASH is checked it is just
// octets.
type opened struct {
	isakmp.Header
	payloads []isakmp.Payload
	plain    []byte // the payloads, without padding
	next     []byte // initialisation vector of the message after it
}

// open decrypts a message and reads its payloads. Nothing proves yet that the
// peer sent it.
func (a *association) open(m *isakmp.Message, iv []byte) (*opened, error) {
	if !m.Flags.Encrypted() {
		return nil, errNotEncrypted
	}
	size := a.block.BlockSize()
	if len(m.Body) == 0 || len(m.Body)%size != 0 {
		return nil, errLength
	}
	plain := make([]byte, len(m.Body))
	cipher.NewCBCDecrypter(a.block, iv).CryptBlocks(plain, m.Body)
	ps, err := isakmp.ParsePayloads(m.NextPayload, plain)
	if err != nil {
		return nil, err
	}
	n := isakmp.Extent(m.NextPayload, plain)
	return &opened{Header: m.Header, payloads: ps, plain: plain[:n:n], next: m.Body[len(m.Body)-size:]}, nil
}

// proves checks the HASH payload that leads a message of phase 2: HASH(1), or
// HASH(2) with the initiator's nonce as before (RFC 2409 §5.5, §5.7). The
// payloads behind it are what it covers, octet by octet.
func (a *association) proves(o *opened, before []byte) bool {
	if len(o.payloads) == 0 {
		return false
	}
	hash, ok := o.payloads[0].(*isakmp.Hash)
	if !ok {
		return false
	}
	rest := o.plain[isakmp.GenericHeaderLen+len(hash.Data):]
	return hmac.Equal(hash.Data, keymat.IKEv1Message(a.prf, a.keys.A, o.MessageID, before, rest))
}

// hashed puts the HASH payload before ps.
func (a *association) hashed(id uint32, before []byte, ps []isakmp.Payload) ([]isakmp.Payload, error) {
	rest, err := isakmp.AppendPayloads(nil, ps)
	if err != nil {
		return nil, err
	}
	sum := keymat.IKEv1Message(a.prf, a.keys.A, id, before, rest)
	return append([]isakmp.Payload{&isakmp.Hash{Data: sum}}, ps...), nil
}

// proof is HASH_I or HASH_R (RFC 2409 §5), for the ID payload body id.
func (a *association) proof(ofInitiator bool, id []byte) []byte {
	if ofInitiator {
		return keymat.IKEv1Hash(a.signed, a.keys.SKEYID, a.publicI, a.publicR, a.cookieI, a.cookieR, a.offer, id)
	}
	return keymat.IKEv1Hash(a.signed, a.keys.SKEYID, a.publicR, a.publicI, a.cookieR, a.cookieI, a.offer, id)
}

// info describes the ISAKMP SA for reports.
func (a *association) info() sa.IKEInfo {
	return sa.IKEInfo{
		Version: 1, Initiator: a.initiator, SPIi: a.cookieI, SPIr: a.cookieR,
		Local: a.local, Remote: a.remote, NAT: a.nat.String(), Suite: a.suite.String(),
	}
}
