package gateway

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"causeway/ike/sa"
	"causeway/ike/transform"
)

// The files of a key log: Wireshark reads each as a table of that name.
const (
	keyLogIKE = "ikev2_decryption_table"
	keyLogESP = "esp_sa"
)

// keyLog writes the keys of every SA to a directory, in the form of Wireshark's
// tables, so that a packet capture can be read. A nil keyLog writes nothing.
type keyLog struct {
	log *zap.Logger

	mu       sync.Mutex
	ike, esp *os.File
	failed   bool
}

// openKeyLog appends to the files in a directory, which is made if it is not
// there; only this user can read them. No directory is no key log.
func openKeyLog(directory string, log *zap.Logger) (*keyLog, error) {
	if directory == "" {
		return nil, nil
	}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("gateway: key log: %w", err)
	}
	ike, err := openKeys(filepath.Join(directory, keyLogIKE))
	if err != nil {
		return nil, err
	}
	esp, err := openKeys(filepath.Join(directory, keyLogESP))
	if err != nil {
		ike.Close()
		return nil, err
	}
	log.Warn("the keys of every SA are written to " + directory + ": whoever reads them can read the traffic")
	return &keyLog{log: log, ike: ike, esp: esp}, nil
}

// openKeys opens a file that is ours alone, or makes it. One that is there may be
// somebody else's trap: in a directory such as /tmp others may put what they like.
func openKeys(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("gateway: key log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("gateway: key log: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 || int(owner.Uid) != os.Geteuid() || owner.Nlink != 1 {
		f.Close()
		return nil, fmt.Errorf("gateway: key log: %s is not a file that this user alone can read: delete it, or name another directory", path)
	}
	return f, nil
}

func (k *keyLog) close() {
	if k != nil {
		k.ike.Close()
		k.esp.Close()
	}
}

func (k *keyLog) write(f *os.File, line string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := f.WriteString(line); err != nil && !k.failed {
		k.failed = true
		k.log.Error("the key log cannot be written", zap.Error(err))
	}
}

// told is what the engine tells of an IKE SA's keys to; nil where there is no
// key log.
func (k *keyLog) told() func(sa.IKEKeys) {
	if k == nil {
		return nil
	}
	return func(keys sa.IKEKeys) { k.write(k.ike, ikeLine(keys)) }
}

// child writes both directions of a Child SA.
func (k *keyLog) child(c *sa.Child) {
	if k == nil {
		return
	}
	k.write(k.esp, espLine(c, c.Remote.Addr(), c.Local.Addr(), c.SPIIn, c.EncryptionIn.Bytes(), c.IntegrityIn.Bytes())+
		espLine(c, c.Local.Addr(), c.Remote.Addr(), c.SPIOut, c.EncryptionOut.Bytes(), c.IntegrityOut.Bytes()))
}

func ikeLine(k sa.IKEKeys) string {
	return fmt.Sprintf("%016x,%016x,%x,%x,%q,%x,%x,%q\n", k.SPIi, k.SPIr,
		k.EncryptionI.Bytes(), k.EncryptionR.Bytes(), ikeCipherName(k.Suite.Encryption),
		k.IntegrityI.Bytes(), k.IntegrityR.Bytes(), integrityNames[k.Suite.Integrity.ID].ike)
}

func espLine(c *sa.Child, from, to netip.Addr, spi uint32, encryption, integrity []byte) string {
	family := "IPv4"
	if to.Is6() {
		family = "IPv6"
	}
	// The table gives AEADs their ICV by their name, and has no integrity then.
	name, tag := espCipherNames[c.Suite.Encryption.ID], integrityNames[c.Suite.Integrity.ID].esp
	return fmt.Sprintf("%q,%q,%q,\"0x%08x\",%q,%q,%q,%q\n", family, from, to, spi, name, prefixed(encryption), tag, prefixed(integrity))
}

func prefixed(key []byte) string {
	if len(key) == 0 {
		return ""
	}
	return "0x" + hex.EncodeToString(key)
}

// What Wireshark 4 calls the algorithms. One that it does not know has no name,
// and its packets stay unread.
var (
	aeadNames = map[uint16]struct {
		cipher string
		icv    int
	}{
		transform.AESGCM16: {"AES-GCM", 16}, transform.AESGCM12: {"AES-GCM", 12}, transform.AESGCM8: {"AES-GCM", 8},
		transform.AESCCM16: {"AES-CCM", 16}, transform.AESCCM12: {"AES-CCM", 12}, transform.AESCCM8: {"AES-CCM", 8},
	}
	espCipherNames = map[uint16]string{
		transform.AESGCM16:  "AES-GCM with 16 octet ICV [RFC4106]",
		transform.AESGCM12:  "AES-GCM with 12 octet ICV [RFC4106]",
		transform.AESGCM8:   "AES-GCM with 8 octet ICV [RFC4106]",
		transform.AESCBC:    "AES-CBC [RFC3602]",
		transform.TripleDES: "TripleDES-CBC [RFC2451]",
		transform.Null:      "NULL",
	}
	integrityNames = map[uint16]struct{ ike, esp string }{
		transform.IntegrityNone: {"NONE [RFC4306]", "NULL"},
		transform.HMACSHA1_96:   {"HMAC_SHA1_96 [RFC2404]", "HMAC-SHA-1-96 [RFC2404]"},
		transform.HMACSHA256128: {"HMAC_SHA2_256_128 [RFC4868]", "HMAC-SHA-256-128 [RFC4868]"},
		transform.HMACSHA384192: {"HMAC_SHA2_384_192 [RFC4868]", "HMAC-SHA-384-192 [RFC4868]"},
		transform.HMACSHA512256: {"HMAC_SHA2_512_256 [RFC4868]", "HMAC-SHA-512-256 [RFC4868]"},
	}
)

func ikeCipherName(t transform.Transform) string {
	if t.ID == transform.AESCBC {
		return fmt.Sprintf("AES-CBC-%d [RFC3602]", t.KeyBits)
	}
	if t.ID == transform.TripleDES {
		return "3DES [RFC2451]"
	}
	if a, ok := aeadNames[t.ID]; ok {
		return fmt.Sprintf("%s-%d with %d octet ICV [RFC5282]", a.cipher, t.KeyBits, a.icv)
	}
	return ""
}
