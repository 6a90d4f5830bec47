package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"causeway/config"
	"causeway/esp"
	"causeway/tunnel/tun"
	"causeway/tunnel/udp"
)

// deviceWith is a device of which only the offloads are asked.
type deviceWith struct {
	tun.Device
	offloads tun.Offloads
}

func (d deviceWith) Offloads() tun.Offloads { return d.offloads }

// TestRefusedOffloadsAreTold: what the device could not have is in the log once
// and in the status; nothing is where it has all.
func TestRefusedOffloadsAreTold(t *testing.T) {
	for _, err := range []error{errors.New("it needs CAP_BPF"), nil} {
		var out bytes.Buffer
		g := &Gateway{log: logger(t, config.Log{Level: config.LogInfo, Format: config.LogConsole}, &out), device: deviceWith{offloads: tun.Offloads{Refused: err}}}
		g.tellRefused()
		want := ""
		if err != nil {
			want = err.Error()
		}
		if got := refused(g.device); got != want || strings.Contains(out.String(), "CAP_BPF") != (err != nil) {
			t.Errorf("%v: the status says %q, the log %q", err, got, out.String())
		}
	}
}

// switched are the offloads that the devices, the sockets and the ciphers of a
// configuration may use, without those that it turns off.
func switched(t *testing.T, without ...config.Offload) map[config.Offload]bool {
	t.Helper()
	cfg := &config.Config{Gateway: config.Gateway{DisableOffloads: without}}
	if err := chooseCipher(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = esp.Native(true) }) // never fails
	device, sockets := deviceConfig(cfg, 1400, 2), socketConfig(cfg, 2)
	return map[config.Offload]bool{
		config.OffloadTSO: !device.NoTSO, config.OffloadUSO: !device.NoUSO, config.OffloadTUNSteering: !device.NoSteering,
		config.OffloadUDPSegment: !sockets.NoGSO, config.OffloadUDPGRO: !sockets.NoGRO, config.OffloadSPISteering: !sockets.NoSteering,
		config.OffloadVAES: esp.NativeName() != portableCipher,
	}
}

// TestEachSwitchIsItsOwn: a name in disable_offloads turns off that offload and no
// other, and nothing else does.
func TestEachSwitchIsItsOwn(t *testing.T) {
	vaes := esp.NativeName() != portableCipher
	if !vaes {
		t.Log("this processor has no VAES to turn off")
	}
	for _, without := range append(config.Offloads, "") {
		for o, on := range switched(t, without) {
			if want := o != without && (o != config.OffloadVAES || vaes); on != want {
				t.Errorf("without %q, %s is on: %v", without, o, on)
			}
		}
	}
}

// TestOffloadsInUse: status says of each offload, and of no other, that it is on
// when it is.
func TestOffloadsInUse(t *testing.T) {
	t.Cleanup(func() { _ = esp.Native(true) }) // never fails
	cases := map[config.Offload]struct {
		device  tun.Offloads
		sockets udp.Features
	}{
		config.OffloadTSO:         {device: tun.Offloads{TSO: true}},
		config.OffloadUSO:         {device: tun.Offloads{USO: true}},
		config.OffloadTUNSteering: {device: tun.Offloads{Steering: true}},
		config.OffloadUDPSegment:  {sockets: udp.Features{GSO: true}},
		config.OffloadUDPGRO:      {sockets: udp.Features{GRO: true}},
		config.OffloadSPISteering: {sockets: udp.Features{Steering: true}},
		config.OffloadVAES:        {},
	}
	for _, used := range config.Offloads {
		c, ok := cases[used]
		if err := esp.Native(used == config.OffloadVAES); err != nil || !ok {
			t.Fatal(used, err)
		}
		got := offloads(deviceWith{offloads: c.device}, c.sockets)
		for _, o := range config.Offloads {
			want := "off"
			if o == used && (o != config.OffloadVAES || esp.NativeName() != portableCipher) {
				want = "on"
			}
			if got[string(o)] != want {
				t.Errorf("with %s alone, %s is %q", used, o, got[string(o)])
			}
		}
		if len(got) != len(config.Offloads) {
			t.Errorf("%v", got)
		}
	}
}

// TestEveryOffloadIsProbed: `causeway version` has a line for each.
func TestEveryOffloadIsProbed(t *testing.T) {
	features := Features()
	for _, o := range config.Offloads {
		i := slices.IndexFunc(features, func(f Feature) bool { return f.Name == string(o) })
		if i < 0 || features[i].State != "yes" && !strings.HasPrefix(features[i].State, "no: ") && !strings.HasPrefix(features[i].State, "unknown: ") {
			t.Errorf("%s is not in %s", o, fmt.Sprint(features))
		}
	}
}

// superDeviceWith takes superpackets whole.
type superDeviceWith struct {
	tun.SuperDevice
	offloads tun.Offloads
}

func (d superDeviceWith) Offloads() tun.Offloads { return d.offloads }

// TestSuperpacketsFitIntoOneMessage: what the kernel is asked for fits into a message of
// 64 packets and 65,507 bytes, and half as much again does not; nothing is asked for
// where packets come one by one.
func TestSuperpacketsFitIntoOneMessage(t *testing.T) {
	const ipAndTCP, most = 40, 65507
	sealed := func(superpacket, mtu int) (packets, payload int) {
		data := superpacket - ipAndTCP
		packets = (data + mtu - ipAndTCP - 1) / (mtu - ipAndTCP)
		return packets, data + packets*(ipAndTCP+8+8+3+2+16) // SPI and sequence number, IV, padding, trailer, ICV
	}
	size := superpacket(superDeviceWith{offloads: tun.Offloads{TSO: true}})
	for mtu := 1200; mtu <= 9000; mtu++ {
		if packets, payload := sealed(size, mtu); packets > 64 || payload > most {
			t.Fatalf("MTU %d: %d bytes are %d packets and %d bytes of payload", mtu, size, packets, payload)
		}
		if _, payload := sealed(size*3/2, mtu); payload <= most {
			t.Fatalf("MTU %d: %d bytes are less than fits", mtu, size)
		}
	}
	for name, d := range map[string]tun.Device{
		"no TSO": superDeviceWith{}, "portable": deviceWith{offloads: tun.Offloads{TSO: true}},
	} {
		if size := superpacket(d); size != 0 {
			t.Errorf("%s: superpackets of at most %d bytes are asked for", name, size)
		}
	}
}
