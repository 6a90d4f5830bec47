package transform

import (
	"bytes"
	"testing"
)

// prfVectors are the full-length HMACs of RFC 4231 §4 (cases 1 to 4)
// and of RFC 2202 §3 (cases 1 and 2).
var prfVectors = []struct {
	name      string
	key, data string // hexadecimal
	want      map[uint16]string
}{
	{"1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265", map[uint16]string{
		PRFHMACSHA1:   "b617318655057264e28bc0b6fb378c8ef146be00",
		PRFHMACSHA256: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
		PRFHMACSHA384: "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
		PRFHMACSHA512: "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
	}},
	{"2", "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f", map[uint16]string{
		PRFHMACSHA1:   "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
		PRFHMACSHA256: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		PRFHMACSHA384: "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
		PRFHMACSHA512: "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
	}},
	{"3", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd", map[uint16]string{
		PRFHMACSHA256: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
		PRFHMACSHA384: "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
		PRFHMACSHA512: "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
	}},
	{"4", "0102030405060708090a0b0c0d0e0f10111213141516171819", "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd", map[uint16]string{
		PRFHMACSHA256: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
		PRFHMACSHA384: "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb",
		PRFHMACSHA512: "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd",
	}},
}

func TestPRFVectors(t *testing.T) {
	for _, v := range prfVectors {
		key, data := unhex(t, v.key), unhex(t, v.data)
		for id, want := range v.want {
			prf, err := NewPRF(id)
			if err != nil {
				t.Fatal(err)
			}
			got := prf.Sum([]byte("dst"), key, data[:3], nil, data[3:])
			if !bytes.Equal(got, append([]byte("dst"), unhex(t, want)...)) {
				t.Errorf("case %s, prf %d: %x", v.name, id, got)
			}
			if prf.Size() != len(want)/2 || prf.KeyLen() != prf.Size() || prf.ID() != id {
				t.Errorf("prf %d says size %d, key length %d, ID %d", id, prf.Size(), prf.KeyLen(), prf.ID())
			}
		}
	}
}

// TestPRFLongKey is RFC 4231 §4.7: a key longer than a block, as two nonces of
// 256 octets are.
func TestPRFLongKey(t *testing.T) {
	key := bytes.Repeat([]byte{0xaa}, 131)
	data := []byte("Test Using Larger Than Block-Size Key - Hash Key First")
	for id, want := range map[uint16]string{
		PRFHMACSHA256: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
		PRFHMACSHA384: "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
		PRFHMACSHA512: "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
	} {
		prf, _ := NewPRF(id)
		if got := prf.Sum(nil, key, data); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("prf %d: %x", id, got)
		}
	}
}

func TestUnknownPRF(t *testing.T) {
	for _, id := range []uint16{0, 1, 3, 4, 8, 65535} {
		if _, err := NewPRF(id); err == nil {
			t.Errorf("prf %d exists", id)
		}
	}
}
