package transform

import "slices"

// Keyword is one word of a configured proposal, as strongSwan spells it.
type Keyword struct {
	Name      string
	Aliases   []string
	Transform Transform
	// Legacy algorithms are accepted where they are configured and are never
	// part of a default.
	Legacy bool
	// About is one line for people.
	About string
}

// table is every keyword, in the order in which documentation shows them.
var table = []Keyword{
	{Name: "aes128gcm16", Aliases: []string{"aes128gcm128", "aes128gcm"}, Transform: Transform{Encryption, AESGCM16, 128}, About: "AES-GCM, 128-bit key, 16-byte ICV"},
	{Name: "aes192gcm16", Aliases: []string{"aes192gcm128", "aes192gcm"}, Transform: Transform{Encryption, AESGCM16, 192}, About: "AES-GCM, 192-bit key, 16-byte ICV"},
	{Name: "aes256gcm16", Aliases: []string{"aes256gcm128", "aes256gcm"}, Transform: Transform{Encryption, AESGCM16, 256}, About: "AES-GCM, 256-bit key, 16-byte ICV"},
	{Name: "chacha20poly1305", Transform: Transform{Encryption, ChaCha20Poly1305, 0}, About: "ChaCha20-Poly1305, 256-bit key"},
	{Name: "aes128gcm12", Aliases: []string{"aes128gcm96"}, Transform: Transform{Encryption, AESGCM12, 128}, About: "AES-GCM, 128-bit key, 12-byte ICV"},
	{Name: "aes192gcm12", Aliases: []string{"aes192gcm96"}, Transform: Transform{Encryption, AESGCM12, 192}, About: "AES-GCM, 192-bit key, 12-byte ICV"},
	{Name: "aes256gcm12", Aliases: []string{"aes256gcm96"}, Transform: Transform{Encryption, AESGCM12, 256}, About: "AES-GCM, 256-bit key, 12-byte ICV"},
	{Name: "aes128gcm8", Aliases: []string{"aes128gcm64"}, Transform: Transform{Encryption, AESGCM8, 128}, About: "AES-GCM, 128-bit key, 8-byte ICV"},
	{Name: "aes192gcm8", Aliases: []string{"aes192gcm64"}, Transform: Transform{Encryption, AESGCM8, 192}, About: "AES-GCM, 192-bit key, 8-byte ICV"},
	{Name: "aes256gcm8", Aliases: []string{"aes256gcm64"}, Transform: Transform{Encryption, AESGCM8, 256}, About: "AES-GCM, 256-bit key, 8-byte ICV"},
	{Name: "aes128ccm16", Aliases: []string{"aes128ccm128", "aes128ccm"}, Transform: Transform{Encryption, AESCCM16, 128}, About: "AES-CCM, 128-bit key, 16-byte ICV"},
	{Name: "aes192ccm16", Aliases: []string{"aes192ccm128", "aes192ccm"}, Transform: Transform{Encryption, AESCCM16, 192}, About: "AES-CCM, 192-bit key, 16-byte ICV"},
	{Name: "aes256ccm16", Aliases: []string{"aes256ccm128", "aes256ccm"}, Transform: Transform{Encryption, AESCCM16, 256}, About: "AES-CCM, 256-bit key, 16-byte ICV"},
	{Name: "aes128ccm12", Aliases: []string{"aes128ccm96"}, Transform: Transform{Encryption, AESCCM12, 128}, About: "AES-CCM, 128-bit key, 12-byte ICV"},
	{Name: "aes192ccm12", Aliases: []string{"aes192ccm96"}, Transform: Transform{Encryption, AESCCM12, 192}, About: "AES-CCM, 192-bit key, 12-byte ICV"},
	{Name: "aes256ccm12", Aliases: []string{"aes256ccm96"}, Transform: Transform{Encryption, AESCCM12, 256}, About: "AES-CCM, 256-bit key, 12-byte ICV"},
	{Name: "aes128ccm8", Aliases: []string{"aes128ccm64"}, Transform: Transform{Encryption, AESCCM8, 128}, About: "AES-CCM, 128-bit key, 8-byte ICV"},
	{Name: "aes192ccm8", Aliases: []string{"aes192ccm64"}, Transform: Transform{Encryption, AESCCM8, 192}, About: "AES-CCM, 192-bit key, 8-byte ICV"},
	{Name: "aes256ccm8", Aliases: []string{"aes256ccm64"}, Transform: Transform{Encryption, AESCCM8, 256}, About: "AES-CCM, 256-bit key, 8-byte ICV"},
	{Name: "aes128", Aliases: []string{"aes"}, Transform: Transform{Encryption, AESCBC, 128}, About: "AES-CBC, 128-bit key"},
	{Name: "aes192", Transform: Transform{Encryption, AESCBC, 192}, About: "AES-CBC, 192-bit key"},
	{Name: "aes256", Transform: Transform{Encryption, AESCBC, 256}, About: "AES-CBC, 256-bit key"},
	{Name: "3des", Transform: Transform{Encryption, TripleDES, 0}, Legacy: true, About: "3DES-CBC, 64-bit blocks"},
	{Name: "aes128gmac", Transform: Transform{Encryption, AESGMAC, 128}, About: "AES-GMAC, 128-bit key: authenticates, but encrypts nothing"},
	{Name: "aes192gmac", Transform: Transform{Encryption, AESGMAC, 192}, About: "AES-GMAC, 192-bit key: authenticates, but encrypts nothing"},
	{Name: "aes256gmac", Transform: Transform{Encryption, AESGMAC, 256}, About: "AES-GMAC, 256-bit key: authenticates, but encrypts nothing"},
	{Name: "null", Transform: Transform{Encryption, Null, 0}, About: "no encryption at all: needs an integrity algorithm"},

	{Name: "sha1", Aliases: []string{"sha"}, Transform: Transform{Integrity, HMACSHA1_96, 0}, Legacy: true, About: "HMAC-SHA1-96"},
	{Name: "sha256", Aliases: []string{"sha2_256"}, Transform: Transform{Integrity, HMACSHA256128, 0}, About: "HMAC-SHA2-256-128"},
	{Name: "sha384", Aliases: []string{"sha2_384"}, Transform: Transform{Integrity, HMACSHA384192, 0}, About: "HMAC-SHA2-384-192"},
	{Name: "sha512", Aliases: []string{"sha2_512"}, Transform: Transform{Integrity, HMACSHA512256, 0}, About: "HMAC-SHA2-512-256"},

	{Name: "prfsha1", Transform: Transform{PseudoRandom, PRFHMACSHA1, 0}, Legacy: true, About: "PRF HMAC-SHA1"},
	{Name: "prfsha256", Transform: Transform{PseudoRandom, PRFHMACSHA256, 0}, About: "PRF HMAC-SHA2-256"},
	{Name: "prfsha384", Transform: Transform{PseudoRandom, PRFHMACSHA384, 0}, About: "PRF HMAC-SHA2-384"},
	{Name: "prfsha512", Transform: Transform{PseudoRandom, PRFHMACSHA512, 0}, About: "PRF HMAC-SHA2-512"},

	{Name: "modp1024", Transform: Transform{KeyExchange, MODP1024, 0}, Legacy: true, About: "group 2, 1024-bit MODP"},
	{Name: "modp1536", Transform: Transform{KeyExchange, MODP1536, 0}, Legacy: true, About: "group 5, 1536-bit MODP"},
	{Name: "modp2048", Transform: Transform{KeyExchange, MODP2048, 0}, About: "group 14, 2048-bit MODP"},
	{Name: "modp3072", Transform: Transform{KeyExchange, MODP3072, 0}, About: "group 15, 3072-bit MODP"},
	{Name: "modp4096", Transform: Transform{KeyExchange, MODP4096, 0}, About: "group 16, 4096-bit MODP"},
	{Name: "modp6144", Transform: Transform{KeyExchange, MODP6144, 0}, About: "group 17, 6144-bit MODP"},
	{Name: "modp8192", Transform: Transform{KeyExchange, MODP8192, 0}, About: "group 18, 8192-bit MODP"},
	{Name: "ecp256", Transform: Transform{KeyExchange, ECP256, 0}, About: "group 19, NIST P-256"},
	{Name: "ecp384", Transform: Transform{KeyExchange, ECP384, 0}, About: "group 20, NIST P-384"},
	{Name: "ecp521", Transform: Transform{KeyExchange, ECP521, 0}, About: "group 21, NIST P-521"},
	{Name: "x25519", Aliases: []string{"curve25519"}, Transform: Transform{KeyExchange, X25519, 0}, About: "group 31, Curve25519"},
	{Name: "x448", Aliases: []string{"curve448"}, Transform: Transform{KeyExchange, X448, 0}, About: "group 32, Curve448"},
	{Name: "mlkem512", Transform: Transform{KeyExchange, MLKEM512, 0}, About: "ML-KEM-512, safe from quantum computers"},
	{Name: "mlkem768", Transform: Transform{KeyExchange, MLKEM768, 0}, About: "ML-KEM-768, safe from quantum computers"},
	{Name: "mlkem1024", Transform: Transform{KeyExchange, MLKEM1024, 0}, About: "ML-KEM-1024, safe from quantum computers"},
	{Name: "none", Aliases: []string{"modpnone"}, Transform: Transform{KeyExchange, GroupNone, 0}, About: "perfect forward secrecy is optional"},

	{Name: "esn", Transform: Transform{SequenceNumbers, ESN, 0}, About: "extended (64-bit) sequence numbers"},
	{Name: "noesn", Transform: Transform{SequenceNumbers, NoESN, 0}, About: "32-bit sequence numbers"},
}

// KeywordTable is every keyword that a proposal of proto may hold, in the
// order of documentation. The caller owns the slice.
func KeywordTable(proto Protocol) []Keyword {
	var out []Keyword
	for _, k := range table {
		if k.allowedIn(proto) {
			k.Aliases = slices.Clone(k.Aliases)
			out = append(out, k)
		}
	}
	return out
}

// Keywords is the names of KeywordTable, without aliases.
func Keywords(proto Protocol) []string {
	var out []string
	for _, k := range table {
		if k.allowedIn(proto) {
			out = append(out, k.Name)
		}
	}
	return out
}

// allowedIn tells whether the transform type belongs in a proposal of proto
// (RFC 7296 §3.3.3). A group of NONE is no choice for an IKE SA, and neither is
// what does not encrypt: the Encrypted payload carries identities.
func (k Keyword) allowedIn(proto Protocol) bool {
	switch k.Transform.Type {
	case Encryption:
		return proto == IKE && !k.Transform.readable() || proto == ESP
	case Integrity:
		return proto == IKE || proto == ESP
	case PseudoRandom:
		return proto == IKE
	case KeyExchange:
		return proto == ESP || proto == IKE && !k.Transform.none()
	case SequenceNumbers:
		return proto == ESP
	}
	return k.Transform.Type.Additional()
}

// keywordOf finds the keyword of a transform; of an additional key exchange,
// that of the method.
func keywordOf(t Transform) (Keyword, bool) {
	if t.Type.Additional() {
		t.Type = KeyExchange
	}
	for _, k := range table {
		if k.Transform == t {
			return k, true
		}
	}
	return Keyword{}, false
}

// lookup finds a keyword by its name or an alias, in lower case. ke1_ to ke7_
// before a key exchange make it an additional one (RFC 9370).
func lookup(name string) (Keyword, bool) {
	if len(name) > 4 && name[:2] == "ke" && name[2] >= '1' && name[2] <= '7' && name[3] == '_' {
		k, ok := lookup(name[4:])
		if !ok || k.Transform.Type != KeyExchange {
			return Keyword{}, false
		}
		k.Transform.Type = FirstAdditional + Type(name[2]-'1')
		k.Name, k.Aliases = k.Transform.Type.prefix()+k.Name, nil
		return k, true
	}
	for _, k := range table {
		if k.Name == name || slices.Contains(k.Aliases, name) {
			return k, true
		}
	}
	return Keyword{}, false
}

// supported tells whether this package implements the transform.
func supported(t Transform) bool {
	_, ok := keywordOf(t)
	return ok
}
