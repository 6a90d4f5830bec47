package esp

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	aesgcm "causeway/esp/gcm"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// gcmVectors are the AES-GCM packets of draft-mcgrew-gcm-test-01 §4, in order.
// A sequence number of sixteen digits is an extended one. The plaintext has its
// trailer.
var gcmVectors = []vector{
	{
		key: "4c80cdefbb5d10da906ac73c3613a634",
		spi: "00004321", seq: "8765432100000000", salt: "2e443b68", iv: "4956ed7e3b244cfe",
		plaintext: "45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f75647003736970" +
			"0963796265726369747902646b000021000101020201",
		sealed: "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d" +
			"15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe722fd04796562dfdb4",
	}, {
		key: "feffe9928665731c6d6a8f9467308308",
		spi: "0000a5f8", seq: "0000000a", salt: "cafebabe", iv: "facedbaddecaf888",
		plaintext: "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d0010000010000000000000373697009637962" +
			"65726369747902646b00000100010001",
		sealed: "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642" +
			"cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a",
	}, {
		key: "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
		spi: "4a2cbfe3", seq: "00000002", salt: "11223344", iv: "0102030405060708",
		plaintext: "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b401010402" +
			"01020201",
		sealed: "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99d" +
			"ef842d8eb335f4eecfdbf831824b4c4915956c96",
	}, {
		key: "00000000000000000000000000000000",
		spi: "00000000", seq: "00000001", salt: "00000000", iv: "0000000000000000",
		plaintext: "4500003c99c500008001cb7a40679318010101010800075c020044006162636465666768696a6b6c6d6e6f7071727374" +
			"75767761626364656667686901020201",
		sealed: "4688daf2f973a392732909c331d56d60f694abaa414b5e7ff5fdcdfff5e9a284456476492719ffb64de7d9dca1e1d894" +
			"bc3bd57873ed4d181d19d4d5c8c18af3f821d496eeb096e98ad2b69e4799c71d",
	}, {
		key: "3de09874b388e6491988d0c3607eae1f",
		spi: "42f67e3f", seq: "1010101010101010", salt: "57690e43", iv: "4e280000a2fca1a3",
		plaintext: "4500003c99c300008001cb7c40679318010101010800085c020043006162636465666768696a6b6c6d6e6f7071727374" +
			"75767761626364656667686901020201",
		sealed: "fba2caa4853cf9f0f22cb10d86dd83b0fec75691cf1a04b00d1138ec9c35791765acbd8701ad79845bf9fe3fba487bc9" +
			"1755e6662b4c8d0d1f5e22739530320ae0d731cc978ecafaeae88f00e80d6e48",
	}, {
		key: "3de09874b388e6491988d0c3607eae1f",
		spi: "42f67e3f", seq: "1010101010101010", salt: "57690e43", iv: "4e280000a2fca1a3",
		plaintext: "4500001c42a200008001441f406793b6e00000020a00f5ff01020201",
		sealed:    "fba2ca845e5df9f0f22c3e6e86dd831e1fc65792cd1af9130e1379ed369f071f35e034be95f112e4e7d05d35",
	}, {
		key: "feffe9928665731c6d6a8f9467308308feffe9928665731c",
		spi: "0000a5f8", seq: "0000000a", salt: "cafebabe", iv: "facedbaddecaf888",
		plaintext: "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
		sealed: "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc7795457b9652037f53" +
			"18027b5b4cd7a636",
	}, {
		key: "abbccddef00112233445566778899aab",
		spi: "00000100", seq: "0000000000000001", salt: "decaf888", iv: "cafedebaceface74",
		plaintext: "4500004933ba00007f119106c3fb1d10c2b1d326c02831ce0035dd7b800302d500004e20001e8c18d75b81dc91baa047" +
			"6b91b924b280389d92c963bac046ec959b6266c04722b14923010101",
		sealed: "18a6fd42f72cbf4ab2a2ea901f73d814e3e7f243d95412e1c349c1d2fbec168f9190feebaf2cb01984e65863965d7472" +
			"b79da345e0e780191f0d2f0e0f496c226f2127b27db35724e7845d68651f57e65f354f75ff17015769623436",
	}, {
		key: "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
		spi: "17405e67", seq: "156f3126dd0db99b", salt: "73616c74", iv: "616e640169766563",
		plaintext: "45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb71260250101f646d540001",
		sealed: "f2d69ecdbd5a0d5b8d5ef38bad4da58d1f278fde98ef67549d524a3018d9a57ff4d3a31ce673119e451626c2415771e3" +
			"b7eebca614c89b35",
	}, {
		key: "3de09874b388e6491988d0c3607eae1f",
		spi: "42f67e3f", seq: "1010101010101010", salt: "57690e43", iv: "4e280000a2fca1a3",
		plaintext: "45000049333e00007f119182c3fb1d10c2b1d326c02831ce0035cb458003025b000001e0001e8c18d65759d52284a035" +
			"2c71475c8880391c764d6e5ee0496b325ae270c03899493915010101",
		sealed: "fba2cad12fc1f9f00d3cebf305410db83d7784b607323d220f24b0a97d54182800cadb0f68d99ef0e0c0c89ae9bea888" +
			"4e52d65bc1afd0740f742444747b5b39ab533163aad4550ee5160975cdb608c5769189609763b8e18caa81e2",
	}, {
		key: "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
		spi: "17405e67", seq: "156f3126dd0db99b", salt: "73616c74", iv: "616e640169766563",
		plaintext: "636973636f0172756c657301746865016e6574776501646566696e6501746865746563686e6f6c6f6769657301746861" +
			"7477696c6c01646566696e65746f6d6f72726f7701020201",
		sealed: "d4b7ed86a1777f2ea13d6973d324c69e7b43f826fb56831226508bebd2dceb18d0a6df10e5487df074113e14c641024e" +
			"3e6773d91a62ee429b043a10e3efe6b012a49363412364f8c0cac587f249e56b11e24f30e44ccc76",
	}, {
		key: "7d773d00c144c525ac619d18c84a3f47",
		spi: "335467ae", seq: "ffffffff", salt: "d9664267", iv: "43457e9182443bc6",
		plaintext: "01020201",
		sealed:    "437f866bcb3f699fe9b0822bac961c4504bef270",
	}, {
		key: "abbccddef00112233445566778899aab",
		spi: "00000100", seq: "0000000000000001", salt: "decaf888", iv: "cafedebaceface74",
		plaintext: "746f016265016f72016e6f7401746f0162650001",
		sealed:    "29c9fc69a197d038ccdd14e2ddfcaa0543332164412503524303ed3c6c5f283843af8c3e",
	}, {
		key: "6c6567616c697a656d6172696a75616e61616e64646f69746265666f72656961",
		spi: "796b6963", seq: "ffffffffffffffff", salt: "7475726e", iv: "333021696765746d",
		plaintext: "45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f7071727374" +
			"01020201",
		sealed: "f97ab2aa356d8edce17644ac8c78e25dd24dedbb29ebf1b64a274b39b49c3a864cd3d78ca4ae68a32b42458fb57dbe82" +
			"1dcc63b9d0937ba2945f669368661a329fb4c053",
	},
}

// fixedIV seals with the vector's IV in place of our own.
type fixedIV struct {
	transform
	iv []byte
}

func (f fixedIV) putIV(iv []byte, _ *Scratch, _ uint64) { copy(iv, f.iv) }

func TestGCMVectors(t *testing.T) {
	for n, v := range gcmVectors {
		v.name = fmt.Sprintf("vector %d", n+1)
		v.check(t, AESGCM16)
	}
}

// TestGCMShortICVs: a shorter ICV is the beginning of the whole one (SP 800-38D
// §7.1).
func TestGCMShortICVs(t *testing.T) {
	for n, v := range gcmVectors {
		v.name = fmt.Sprintf("vector %d", n+1)
		v.sealed = v.sealed[:len(v.sealed)-8]
		v.check(t, AESGCM12)
		v.sealed = v.sealed[:len(v.sealed)-8]
		v.check(t, AESGCM8)
	}
}

func TestGCMIVIsTheSequenceNumber(t *testing.T) {
	out, _ := newPair(t, suites[0], Parameters{ESN: true})
	packet := out.Seal(NewScratch(), nil, []byte("payload"), NextHeaderIPv4, 0x0102030405060708)
	if got := packet[4:16]; !bytes.Equal(got, []byte{5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("sequence number and IV are %x", got)
	}
}

// TestGCMImplementations: whatever computes AES-GCM at either end, the packets
// are the same.
func TestGCMImplementations(t *testing.T) {
	before := aesgcm.Implementation()
	t.Cleanup(func() {
		if err := aesgcm.Use(before); err != nil {
			t.Error(err)
		}
	})
	var outs []*Outbound
	var ins []*Inbound
	for _, name := range aesgcm.Implementations() {
		if err := aesgcm.Use(name); err != nil {
			t.Fatal(err)
		}
		out, in := newPair(t, suites[0], Parameters{ESN: true})
		outs, ins = append(outs, out), append(ins, in)
	}
	s, payload := NewScratch(), bytes.Repeat([]byte("payload"), 300)
	for n := range payload {
		var first []byte
		for i, out := range outs {
			packet := sealNext(t, out, s, payload[:n])
			if i == 0 {
				first = packet
			} else if !bytes.Equal(packet, first) {
				t.Fatalf("payload of %d bytes: implementation %d seals otherwise than 0", n, i)
			}
		}
		for i, in := range ins {
			got, _, err := in.Open(s, bytes.Clone(first))
			if err != nil || !bytes.Equal(got, payload[:n]) {
				t.Fatalf("payload of %d bytes: implementation %d: %v", n, i, err)
			}
		}
	}
}

func TestNativeSwitch(t *testing.T) {
	before := NativeName()
	t.Cleanup(func() {
		if err := aesgcm.Use(before); err != nil {
			t.Error(err)
		}
	})
	ways := aesgcm.Implementations()
	for on, want := range map[bool]string{true: ways[0], false: "crypto/cipher"} {
		if err := Native(on); err != nil {
			t.Fatal(err)
		}
		out, _ := newPair(t, suites[0], Parameters{})
		if got := out.keys.held.Load().transform.(*gcm).key.Implementation(); got != want || NativeName() != want {
			t.Errorf("Native(%v) gives %q, %q in use, want %q", on, got, NativeName(), want)
		}
	}
}
