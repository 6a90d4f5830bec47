package keymat

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"causeway/ike/transform"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The NIST CAVS cases for the key derivation of SP 800-135 §4.1.1 that
// libreswan keeps as programs/cavp/test.acvp.ikev1_psk and ikev1_dsa: SHA-1.
func TestIKEv1KeysOfCAVS(t *testing.T) {
	for _, c := range []struct{ name, psk, ni, nr, ci, cr, shared, skeyid, d, a, e string }{
		{"psk", "75", "b9a2d0e922dc66dd", "2130166863b5ddef", "83d374c30b3b5082", "5afc0da06c728029",
			"739003ba2c11c982946c65e26acf661fbf8ebb78011a9fead79efa12fe3e71cc",
			"62b04d112877e442fc3282fc37c076997718a0b9", "369e5aad1bdb5faf6a3d929d500cdc236710a9ab",
			"588e957d8d790d093b3a39f121473473af78e9bb", "cd74b0c048219db81384d3fda8f6cda51e398a2b"},
		{"signatures", "", "69a62284195f1680", "80c94ba25c8abda5", "8c3bcd3a69831d7f", "d2d9a7ff4fbe95a7",
			"8ba4cbc73c0187301dc19a975823854dbd641c597f637f8d053a83b9514673eb",
			"707197817fb2d90cf54d1842606bdea59b9f4823", "384be709a8a5e63c3ed160cfe3921c4b37d5b32d",
			"48b327575abe3adba0f279849e289022a13e2b47", "a4a415c8e0c38c0da847c356cc61c24df8025560"},
	} {
		prf, err := transform.NewPRF(transform.PRFHMACSHA1)
		if err != nil {
			t.Fatal(err)
		}
		ni, nr, shared := unhex(t, c.ni), unhex(t, c.nr), unhex(t, c.shared)
		skeyid := SKEYIDFromPSK(prf, unhex(t, c.psk), ni, nr)
		if c.psk == "" {
			skeyid = SKEYIDFromSignatures(prf, ni, nr, shared)
		}
		k := DeriveIKEv1(prf, skeyid, shared, binary.BigEndian.Uint64(unhex(t, c.ci)), binary.BigEndian.Uint64(unhex(t, c.cr)))
		for _, part := range []struct {
			name string
			got  []byte
			want string
		}{{"SKEYID", k.SKEYID, c.skeyid}, {"SKEYID_d", k.D, c.d}, {"SKEYID_a", k.A, c.a}, {"SKEYID_e", k.E, c.e}} {
			if !bytes.Equal(part.got, unhex(t, part.want)) {
				t.Errorf("%s: %s is %x, want %s", c.name, part.name, part.got, part.want)
			}
		}
	}
}

// Keys longer than one output of the PRF are expanded; the parts are prefixes
// of one stream, whatever is cut from it.
func TestIKEv1Expansion(t *testing.T) {
	prf, err := transform.NewPRF(transform.PRFHMACSHA1)
	if err != nil {
		t.Fatal(err)
	}
	e := bytes.Repeat([]byte{7}, 20)
	if got := IKEv1CipherKey(prf, e, 16); !bytes.Equal(got, e[:16]) {
		t.Errorf("a short key is not the start of SKEYID_e: %x", got)
	}
	k1 := prf.Sum(nil, e, []byte{0})
	want := append(bytes.Clone(k1), prf.Sum(nil, e, k1)...)[:32]
	if got := IKEv1CipherKey(prf, e, 32); !bytes.Equal(got, want) {
		t.Errorf("K1 | K2 is %x, want %x", got, want)
	}
	suite := transform.Suite{Protocol: transform.ESP,
		Encryption: transform.Transform{Type: transform.Encryption, ID: transform.AESCBC, KeyBits: 256},
		Integrity:  transform.Transform{Type: transform.Integrity, ID: transform.HMACSHA256128}}
	ni, nr := []byte("initiator"), []byte("responder")
	enc, integ := IKEv1ChildKeys(suite, prf, e, []byte("g^xy"), 0xc0ffee01, ni, nr)
	seed := append([]byte("g^xy\x03\xc0\xff\xee\x01"), "initiatorresponder"...)
	var stream, last []byte
	for range 4 {
		last = prf.Sum(nil, e, last, seed)
		stream = append(stream, last...)
	}
	if !bytes.Equal(append(enc, integ...), stream[:64]) {
		t.Errorf("KEYMAT is %x %x, want %x", enc, integ, stream[:64])
	}
}

// The NIST CAVS cases for SHA-256 and SHA-384 that NSS keeps in
// gtests/common/testvectors/ike-sha256-vectors.h and ike-sha384-vectors.h: with
// signatures, and SKEYID of a pre-shared key.
func TestIKEv1KeysOfNIST(t *testing.T) {
	for _, c := range []struct {
		prf                                            uint16
		ni, nr, ci, cr, shared, skeyid, d, a, e        string
		psk, pskNonceI, pskNonceR, pskSKEYID, expanded string
	}{
		{transform.PRFHMACSHA256,
			"b1dee62505b47b223bae14ce7a5b757402ad1587511618d09f94950d47f1d8d4ce86aca12d78db9854d86019ad735757ae79d8932ac0c7db842c85060150ca875ea5d47e3cfcb2a05922ebb7959d49b9797a2289676ee79a1d9a18b790f87e4771ddaf4be3376057a553162f68fe429aca73b07234543801ba2122b1bde82251770d05df813cf556a11ca4dc43ffcb85a97dbed16e2fda6985e07e31be6364899e63c507c7c616e5eb7765a53560f76772de43918ba07badfe85244dcdcd917cb065afb60e3b7e68b54dd94bfc7c31c8b752892781ed3cc4b7f28fbc0ab9af908f5ae1f09f893f80100a7b3135993161b51fbba3bbb24b9f88c6147de82cd6f0",
			"f0acfef2ad1f7add0eaafda78c1cf1097d9fc91cb04a7c145069ac426fd164cbe661b1dd2df0fb84e19512181f0d8ea50b7860845f332757a8e56d2a3b7be436b5718a2d49baa996a4616684a208c2d611cd65e605dca6e3d3f116859b4410fe13679696bb2e23c08a40c7e1316d54b4c9c0286701c221151b3642cb4112ca1a53e0e597a7e29c634caed86ca3c31973d37b4c346134fd6784cd99913feedf3d29d89a0a02a5a750f02f5738109dcc670bb27701fb59f78e83b76860c3fec079a1fc8c937ddb58ae7500422b7e49ce63759c65b6bc439381d56bcc159edede894b073841036ebfa050a5b3e7c876a3f18def26b1768a263ac66c9d83b680eb5e",
			"6c6beb72631ddc3d", "b84e24b22cffbd14",
			"a1ff3dc6cf9b4c04709943cb4ca1f1789bcf360b03f1d027de3ae8ee039e9155",
			"750c5c94b9c2ec20b68033e024dadf0fa87e8b48c6561b21c72478451a06583d",
			"a4f7ca7de913814813e3312099e7c943bd293483f387532330237f1b20957310",
			"1d4b705746c43b0a6fcbb8db33983c0f24ff6f8b6543e3779fed227c6067f004",
			"03e6f16cd9ce9f64b5cdc5b34cca7163483ba5389a30afebef3d14640b0a815e",
			"a0", "ead9ced494868f41", "f1aff4f425a94f18", "558a99b299773d267cf7c8ef073bf3b7af362c206c75a538403c5ef884d4cace",
			"b10fff32cbeaa1e7afe6ab0b191e0bd63cd524849a4b56019146d232a24cf9af6b89494d2a360b06825db8bb0324c15cecf47fc0bc99e39bf1171a7f4bf1733d"},
		{transform.PRFHMACSHA384,
			"cec89d845add83ef", "cebd43ab71d17db9", "1c8aba986a00af0f", "b049d9672f73c920",
			"1724dbd893523764bfef8c6fa927856fccfb77ae254358cce29c2769a32915c1",
			"6e4514610bf82d0ab7bf0260096f6146a153c712071abb633ced813c572156c783e36874a65a64690ca701d40d56ea18",
			"b083234e9ed7745911f93eb31faa66fcf88906266830eb17ef166d295cb1f86a3543b8b8efa5df918533df537e9c809c",
			"938295a374aceb4147a8024c9a007dd313403fd8fd7070dbd0cfbe1ccd308dbfbb7b9e9c64049e4df44ff551016cb7b5",
			"8595b249dc1fa8599729f87eb6b9dd13bfbfdfd4f9ebd78929bab6ecc402539ad32cb6e7ef4ba6a0f53da14e4df07ed4",
			"9e", "d6596b7e5b398534", "136fbdfa8d0ceb8e", "b54fa27cb4251051e44a659d73591845691d11f1874bf4e4088e5df6462d28e57a3a2af3ab4f9b746a8f5766f8785f2b",
			"9b9a56a512cc2c5d5bcee66d03974f2701d4634b3241df132b1d2fd31fb23f003969dd7873425f771aae298871672cbfc908596c4d18165331b9fdff350cff78"},
	} {
		prf, err := transform.NewPRF(c.prf)
		if err != nil {
			t.Fatal(err)
		}
		shared := unhex(t, c.shared)
		skeyid := SKEYIDFromSignatures(prf, unhex(t, c.ni), unhex(t, c.nr), shared)
		k := DeriveIKEv1(prf, skeyid, shared, binary.BigEndian.Uint64(unhex(t, c.ci)), binary.BigEndian.Uint64(unhex(t, c.cr)))
		// The expansion of RFC 2409 appendix B is NSS's own figure, for the SKEYID of the IKEv2 case beside it.
		other := map[uint16]string{
			transform.PRFHMACSHA256: "5f00d1bd2c58ec224b1e6b71fa0f19a1faa7a193952c444411b47c1a9d8ba6fe",
			transform.PRFHMACSHA384: "69fe7a1ac94adaeb711295f5fe004b1a8d6a0b65d05692758ce8ad2f7a45f59d7d0b596f51f7dfcf3330061888f6a94f",
		}[c.prf]
		for _, part := range []struct {
			name string
			got  []byte
			want string
		}{
			{"SKEYID", k.SKEYID, c.skeyid}, {"SKEYID_d", k.D, c.d}, {"SKEYID_a", k.A, c.a}, {"SKEYID_e", k.E, c.e},
			{"SKEYID of a key", SKEYIDFromPSK(prf, unhex(t, c.psk), unhex(t, c.pskNonceI), unhex(t, c.pskNonceR)), c.pskSKEYID},
			{"an expanded key", IKEv1CipherKey(prf, unhex(t, other), len(c.expanded)/2), c.expanded},
		} {
			if !bytes.Equal(part.got, unhex(t, part.want)) {
				t.Errorf("%d: %s is %x, want %s", c.prf, part.name, part.got, part.want)
			}
		}
	}
}
