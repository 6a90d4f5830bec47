package gcm

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// eachForm runs a test under every form that this machine can run.
func eachForm(t *testing.T, run func(t *testing.T, f form)) {
	for _, f := range supported() {
		t.Run(f.String(), func(t *testing.T) { run(t, f) })
	}
}

func mustKey(t testing.TB, key []byte, tag int, f form) *Key {
	t.Helper()
	k, err := newKey(key, tag, f)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// counting returns n bytes of which no two neighbours are alike.
func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + 1)
	}
	return b
}

func TestNewKeyLengths(t *testing.T) {
	for n := range 70 {
		_, err := NewKey(make([]byte, n))
		if good := n == 16 || n == 24 || n == 32; good != (err == nil) {
			t.Errorf("key of %d bytes: %v", n, err)
		}
		_, err = NewKeyWithTagSize(make([]byte, 16), n)
		if good := n == 16 || n == 12 || n == 8; good != (err == nil) {
			t.Errorf("tag of %d bytes: %v", n, err)
		}
	}
}

// TestTagSizes: a shorter tag is the beginning of the long one (SP 800-38D §7.1
// step 6), and all of it counts.
func TestTagSizes(t *testing.T) {
	plaintext, aad, nonce := counting(300), counting(12), new([NonceSize]byte)
	eachForm(t, func(t *testing.T, f form) {
		full := make([]byte, len(plaintext)+16)
		mustKey(t, counting(32), 16, f).Seal(full, nonce, plaintext, aad)
		for _, size := range []int{8, 12, 16} {
			k := mustKey(t, counting(32), size, f)
			if k.Overhead() != size {
				t.Errorf("Overhead() = %d, want %d", k.Overhead(), size)
			}
			sealed := make([]byte, len(plaintext)+size)
			k.Seal(sealed, nonce, plaintext, aad)
			if !bytes.Equal(sealed, full[:len(sealed)]) {
				t.Errorf("tag of %d bytes is not the beginning of the full one", size)
			}
			opened := make([]byte, len(plaintext))
			for bit := range size * 8 {
				at := &sealed[len(plaintext)+bit/8]
				*at ^= 1 << (bit % 8)
				if err := k.Open(opened, nonce, sealed, aad); err != ErrOpen {
					t.Errorf("tag of %d bytes with bit %d wrong: %v", size, bit, err)
				}
				*at ^= 1 << (bit % 8)
			}
			if err := k.Open(opened, nonce, sealed, aad); err != nil || !bytes.Equal(opened, plaintext) {
				t.Errorf("tag of %d bytes: cannot open what was sealed: %v", size, err)
			}
		}
	})
}

// TestTruncation: no beginning of a message is authentic.
func TestTruncation(t *testing.T) {
	plaintext, nonce := counting(100), new([NonceSize]byte)
	eachForm(t, func(t *testing.T, f form) {
		k := mustKey(t, counting(16), TagSize, f)
		sealed := make([]byte, len(plaintext)+TagSize)
		k.Seal(sealed, nonce, plaintext, nil)
		for n := range sealed {
			if err := k.Open(make([]byte, max(0, n-TagSize)), nonce, sealed[:n], nil); err != ErrOpen {
				t.Errorf("first %d bytes: %v", n, err)
			}
		}
	})
}

// TestLongMessage carries the counter beyond its low two bytes, which needs
// more than 65,536 blocks. It cannot wrap (SP 800-38D §5.2.1.1): with a nonce
// of 96 bits it begins at 1, and longer messages are refused.
func TestLongMessage(t *testing.T) {
	plaintext, nonce := counting(65536*16+4096+5), new([NonceSize]byte)
	want := make([]byte, len(plaintext)+TagSize)
	mustKey(t, counting(32), TagSize, portable).Seal(want, nonce, plaintext, nil)
	eachForm(t, func(t *testing.T, f form) {
		k := mustKey(t, counting(32), TagSize, f)
		got := make([]byte, len(want))
		k.Seal(got, nonce, plaintext, nil)
		if !bytes.Equal(got, want) {
			t.Error("differs from crypto/cipher")
		}
		if err := k.Open(got[:len(plaintext)], nonce, got, nil); err != nil || !bytes.Equal(got[:len(plaintext)], plaintext) {
			t.Errorf("cannot open it: %v", err)
		}
	})
}

func TestMisuse(t *testing.T) {
	nonce, b := new([NonceSize]byte), make([]byte, 200)
	eachForm(t, func(t *testing.T, f form) {
		k := mustKey(t, counting(16), TagSize, f)
		gone := mustKey(t, counting(16), TagSize, f)
		gone.Erase()
		for name, misuse := range map[string]func(){
			"seal: destination too short":      func() { k.Seal(b[:35], nonce, make([]byte, 20), nil) },
			"seal: destination too long":       func() { k.Seal(b[:37], nonce, make([]byte, 20), nil) },
			"seal: source ahead":               func() { k.Seal(b[:66], nonce, b[1:51], nil) },
			"seal: source behind":              func() { k.Seal(b[1:67], nonce, b[:50], nil) },
			"seal: source is the room for tag": func() { k.Seal(b[:66], nonce, b[60:110], nil) },
			"seal after: no room":              func() { k.SealAfter(b[:35], nonce, make([]byte, 20), nil) },
			"seal after: in place":             func() { k.SealAfter(b[:66], nonce, b[:40], nil) },
			"open: destination too short":      func() { _ = k.Open(b[:19], nonce, make([]byte, 36), nil) },
			"open: destination too long":       func() { _ = k.Open(b[:21], nonce, make([]byte, 36), nil) },
			"open: source ahead":               func() { _ = k.Open(b[:50], nonce, b[1:67], nil) },
			"open: destination is the tag":     func() { _ = k.Open(b[60:110], nonce, b[:66], nil) },
			"seal: erased":                     func() { gone.Seal(b[:16], nonce, nil, nil) },
			"open: erased":                     func() { _ = gone.Open(nil, nonce, b[:16], nil) },
		} {
			func() {
				defer func() {
					if why, ok := recover().(string); !ok || !strings.HasPrefix(why, "gcm: ") {
						t.Errorf("%s: recovered %v", name, why)
					}
				}()
				misuse()
			}()
		}
	})
}

func TestErase(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		k := mustKey(t, counting(32), TagSize, f)
		s := k.schedule
		k.Erase()
		if f != portable && *s != (schedule{}) {
			t.Error("the expanded key is still there")
		}
		if k.schedule != nil || k.standard != nil {
			t.Error("the key still holds its parts")
		}
	})
}

// TestRedaction: nothing that fmt makes of a key depends on it.
func TestRedaction(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		k := mustKey(t, counting(32), TagSize, f)
		want := "gcm.Key(" + f.String() + ")"
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, k); got != want {
				t.Errorf("%s: %q, want %q", verb, got, want)
			}
		}
	})
}

func TestNoAllocation(t *testing.T) {
	nonce, aad := new([NonceSize]byte), counting(12)
	eachForm(t, func(t *testing.T, f form) {
		for _, size := range []int{0, 1, 64, 300, 1400} {
			k := mustKey(t, counting(32), TagSize, f)
			plaintext, dst := counting(size), make([]byte, size+TagSize)
			allocs := testing.AllocsPerRun(100, func() {
				k.Seal(dst, nonce, plaintext, aad)
				if err := k.Open(dst[:size], nonce, dst, aad); err != nil {
					t.Error(err)
				}
				k.SealAfter(dst, nonce, plaintext[:size/2], aad)
				if err := k.Open(dst[:size], nonce, dst, plaintext); err == nil {
					t.Error("opened with other additional data")
				}
			})
			if allocs != 0 {
				t.Errorf("size %d: %v allocations", size, allocs)
			}
		}
	})
}

// TestConcurrentUse shares one key, as the workers of an SA do.
func TestConcurrentUse(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		for _, tag := range []int{8, 16} {
			k := mustKey(t, counting(32), tag, f)
			var workers sync.WaitGroup
			for w := range 4 {
				workers.Go(func() {
					nonce := &[NonceSize]byte{byte(w)}
					plaintext := counting(700 + w)
					sealed, opened := make([]byte, len(plaintext)+tag), make([]byte, len(plaintext))
					for range 200 {
						k.Seal(sealed, nonce, plaintext, nil)
						if err := k.Open(opened, nonce, sealed, nil); err != nil || !bytes.Equal(opened, plaintext) {
							t.Errorf("worker %d: %v", w, err)
							return
						}
					}
				})
			}
			workers.Wait()
		}
	})
}

// TestAEAD: the adapter appends, grows and opens as cipher.AEAD says.
func TestAEAD(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		a := mustKey(t, counting(16), TagSize, f).AEAD()
		nonce, plaintext, aad := counting(a.NonceSize()), counting(50), counting(8)
		head := []byte("head")
		sealed := a.Seal(head, nonce, plaintext, aad)
		if !bytes.HasPrefix(sealed, head) || len(sealed) != len(head)+len(plaintext)+a.Overhead() {
			t.Fatalf("sealed is %x", sealed)
		}
		opened, err := a.Open(head, nonce, sealed[len(head):], aad)
		if err != nil || !bytes.Equal(opened, append(head, plaintext...)) {
			t.Errorf("opened is %x, %v", opened, err)
		}
		inPlace, err := a.Open(sealed[len(head):len(head)], nonce, sealed[len(head):], aad)
		if err != nil || !bytes.Equal(inPlace, plaintext) {
			t.Errorf("opened in place is %x, %v", inPlace, err)
		}
		for n := range a.Overhead() {
			if _, err := a.Open(nil, nonce, make([]byte, n), aad); err != ErrOpen {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	})
}
