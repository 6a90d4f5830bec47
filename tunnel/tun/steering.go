package tun

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// By itself the kernel chooses the queue of a packet by what was last written of
// its flow: all that comes back of a tunnel gathers with the worker that receives
// it. That costs least, and one worker can be too few. A program on the interface
// (TUNSETSTEERINGEBPF) can spread the flows over all queues instead.

// loadSteering puts the program into the kernel, which lets root do that, or
// whoever has CAP_BPF.
func loadSteering() (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "causeway_flows", Type: ebpf.SocketFilter, License: "Apache-2.0", Instructions: flowHash(),
	})
	if err != nil {
		return nil, steeringError(err)
	}
	return p, nil
}

// steeringError says what to do when the kernel does not take the program.
func steeringError(err error) error {
	advice := "it needs Linux 4.16"
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		advice = "it needs CAP_BPF, which root may lack, too: in a container, pass `--cap-add BPF`; under systemd, add it to both lists of capabilities"
	}
	return fmt.Errorf("tun: the kernel does not take the program that spreads flows over the workers (tun_steering): %w: %s", err, advice)
}

// ProbeSteering tells whether flows could be spread here.
func ProbeSteering() error {
	p, err := loadSteering()
	if err != nil {
		return err
	}
	return p.Close()
}

// flowHash returns a number that all packets of a flow share: of its addresses
// and, where TCP or UDP has them in each packet, its ports. Fragments have none
// but in the first. The kernel takes it modulo the number of queues.
func flowHash() asm.Instructions {
	const ( // registers; R0 is what was loaded, R6 must be the packet
		first = asm.R7
		hash  = asm.R8

		fragment  = 0x3fff // more of them, or an offset
		ipv6Ports = 40     // behind a header without extensions

		prime  = 0x01000193
		golden = 0x61c88647
	)
	mix := func(offset int32) asm.Instructions {
		return asm.Instructions{
			asm.LoadAbs(offset, asm.Word),
			asm.Mul.Imm(hash, prime),
			asm.Xor.Reg(hash, asm.R0),
		}
	}
	var code asm.Instructions
	add := func(more ...asm.Instruction) { code = append(code, more...) }
	add(asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Imm(hash, 0),
		asm.LoadAbs(0, asm.Byte), asm.Mov.Reg(first, asm.R0),
		asm.RSh.Imm(asm.R0, 4), asm.JNE.Imm(asm.R0, 4, "ipv6"))
	add(mix(12)...)
	add(mix(16)...)
	add(asm.JNE.Imm(first, 0x45, "end"), // options
		asm.LoadAbs(6, asm.Half), asm.And.Imm(asm.R0, fragment), asm.JNE.Imm(asm.R0, 0, "end"),
		asm.LoadAbs(9, asm.Byte), asm.JEq.Imm(asm.R0, unix.IPPROTO_TCP, "ports4"), asm.JNE.Imm(asm.R0, unix.IPPROTO_UDP, "end"))
	ports := mix(20)
	ports[0] = ports[0].WithSymbol("ports4")
	add(ports...)
	add(asm.Ja.Label("end"))
	addresses := mix(8)
	addresses[0] = addresses[0].WithSymbol("ipv6")
	add(addresses...)
	for offset := int32(12); offset < ipv6Ports; offset += 4 {
		add(mix(offset)...)
	}
	add(asm.LoadAbs(6, asm.Byte), asm.JEq.Imm(asm.R0, unix.IPPROTO_TCP, "ports6"), asm.JNE.Imm(asm.R0, unix.IPPROTO_UDP, "end"))
	ports = mix(ipv6Ports)
	ports[0] = ports[0].WithSymbol("ports6")
	add(ports...)
	add(asm.Mov.Reg32(hash, hash).WithSymbol("end"), asm.Mul.Imm32(hash, golden), asm.RSh.Imm32(hash, 16),
		asm.Mov.Reg(asm.R0, hash), asm.Return())
	return code
}

// setSteering makes the program, where there are queues to choose from and the
// kernel takes it; the device works without. It is not in use yet.
func (d *native) setSteering(cfg Config) {
	if cfg.NoSteering || len(d.queues) < 2 {
		return
	}
	d.steering, d.offloads.Refused = loadSteering()
	d.offloads.Steering = d.steering != nil
}

// Spread implements Spreader.
func (d *native) Spread(on bool) error {
	program := int32(-1) // none
	if on && d.steering != nil {
		program = int32(d.steering.FD())
	}
	q := d.queues[0]
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed.Load() {
		return os.ErrClosed
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(q.fd), unix.TUNSETSTEERINGEBPF, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("tun: cannot choose how packets are spread over the queues of interface %s: %w", d.name, errno)
	}
	return nil
}
