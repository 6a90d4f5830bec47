package tun

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"causeway/test/netdev"
)

// TestFallback: on a kernel that lacks something of the native backend, the
// portable one is chosen by itself, says why, and carries packets; without any
// superpackets, too.
func TestFallback(t *testing.T) {
	needRoot(t)
	for name, refused := range map[string]uint{
		"no features": unix.TUNGETFEATURES, "no header size": unix.TUNSETVNETHDRSZ, "no offloads": unix.TUNSETOFFLOAD,
	} {
		t.Run(name, func(t *testing.T) {
			err := inNamespace(func() error {
				if err := refuse(refused); err != nil {
					return fmt.Errorf("seccomp, to play another kernel: %w", err)
				}
				if d, err := Open(Config{Name: "cwt-fallback", MTU: 1400, Backend: Native}); !errors.Is(err, errNotNative) || !errors.Is(err, unix.EINVAL) {
					t.Errorf("native all the same: %v, %v", d, err)
				}
				d, err := Open(Config{Name: "cwt-fallback", MTU: 1400, Queues: 2})
				if err != nil {
					return err
				}
				defer d.Close()
				if o := d.Offloads(); o.TSO || !errors.Is(o.Refused, errNotNative) {
					t.Errorf("%+v", o)
				}
				return passes(d.(BatchDevice))
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// passes has the kernel send a datagram through the device and takes it back.
func passes(d BatchDevice) error {
	if err := netdev.Up(d.Name(), "10.9.0.1/24"); err != nil {
		return err
	}
	c, err := net.Dial("udp", "10.9.0.2:7")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	sent := []byte("through the portable device")
	if _, err := c.Write(sent); err != nil {
		return err
	}
	bufs, sizes := make([][]byte, d.BatchSize()), make([]int, d.BatchSize())
	for i := range bufs {
		bufs[i] = make([]byte, HeaderRoom+MaxPacket)
	}
	for {
		n, err := d.Read(bufs, sizes, HeaderRoom)
		if err != nil {
			return err
		}
		for i := range n {
			b := bufs[i][HeaderRoom : HeaderRoom+sizes[i]]
			if !bytes.HasSuffix(b, sent) {
				continue // what the kernel says of itself
			}
			// To the sender: addresses and ports swapped, which leaves the checksums.
			for j := range 4 {
				b[12+j], b[16+j] = b[16+j], b[12+j]
			}
			b[20], b[21], b[22], b[23] = b[22], b[23], b[20], b[21]
			if _, err := d.Write([][]byte{bufs[i][: HeaderRoom+sizes[i] : HeaderRoom+sizes[i]]}, HeaderRoom); err != nil {
				return err
			}
			got := make([]byte, 100)
			n, err := c.Read(got)
			if err == nil && !bytes.Equal(got[:n], sent) {
				err = fmt.Errorf("% x came back", got[:n])
			}
			return err
		}
	}
}

// refuse answers EINVAL to an ioctl of this thread, as a kernel does that does not
// know it. The thread must end with its goroutine.
func refuse(request uint) error {
	const number, second = 0, 24 // struct seccomp_data: the call, its second argument
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_IOCTL, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: second},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(request), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EINVAL)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
}
