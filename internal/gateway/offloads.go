package gateway

import (
	"slices"

	"go.uber.org/zap"

	"causeway/config"
	"causeway/esp"
	"causeway/routing/kernel"
	"causeway/tunnel/tun"
	"causeway/tunnel/udp"
)

// portableCipher is what esp calls AES-GCM without vector instructions.
const portableCipher = "crypto/cipher"

var backends = map[config.DataPath]tun.Backend{
	config.DataPathAuto:     tun.Auto,
	config.DataPathNative:   tun.Native,
	config.DataPathPortable: tun.Portable,
}

func deviceConfig(cfg *config.Config, mtu, workers int) tun.Config {
	return tun.Config{
		Name: cfg.Gateway.Interface.Name, MTU: mtu, Queues: workers, Backend: backends[cfg.Gateway.DataPath],
		NoTSO: without(cfg, config.OffloadTSO), NoUSO: without(cfg, config.OffloadUSO), NoSteering: without(cfg, config.OffloadTUNSteering),
	}
}

func socketConfig(cfg *config.Config, workers int) udp.Config {
	return udp.Config{
		Addresses: cfg.Gateway.Listen.Addresses, IKEPort: cfg.Gateway.Listen.IKEPort, NATPort: cfg.Gateway.Listen.NATPort,
		Workers: workers, NoSteering: without(cfg, config.OffloadSPISteering),
		BareESP: wantsBareESP(cfg), NoGSO: without(cfg, config.OffloadUDPSegment), NoGRO: without(cfg, config.OffloadUDPGRO),
		LookupMark: kernel.OutsideMark,
	}
}

// wantsBareESP reports whether a connection sends ESP without UDP.
func wantsBareESP(cfg *config.Config) bool {
	return slices.ContainsFunc(cfg.Connections, func(c config.Connection) bool {
		return c.ESP.Encapsulation == config.EncapsulationNever
	})
}

func without(cfg *config.Config, o config.Offload) bool {
	return slices.Contains(cfg.Gateway.DisableOffloads, o)
}

// dataPathName is the backend of a device, as status names it.
func dataPathName(d tun.Device) string {
	if _, ok := d.(tun.SuperDevice); ok {
		return string(config.DataPathNative)
	}
	return string(config.DataPathPortable)
}

// chooseCipher turns the vector instructions off where the configuration says so.
func chooseCipher(cfg *config.Config) error { return esp.Native(!without(cfg, config.OffloadVAES)) }

// tellRefused says what the device does without although it was asked for.
func (g *Gateway) tellRefused() {
	if err := g.device.Offloads().Refused; err != nil {
		g.log.Info("the device does without an offload", zap.Error(err))
	}
}

// oneMessage is the most bytes of a superpacket that leave as one message, which has 64
// packets at most and as many bytes as a UDP datagram may have, sealed by AES-GCM.
const oneMessage = 60000

// superpacket is the bound to ask the kernel for, 0 if the device takes no superpackets.
func superpacket(d tun.Device) int {
	if _, whole := d.(tun.SuperDevice); whole && d.Offloads().TSO {
		return oneMessage
	}
	return 0
}

// refused is the same as status shows it.
func refused(d tun.Device) string {
	if err := d.Offloads().Refused; err != nil {
		return err.Error()
	}
	return ""
}

// offloads are those in use.
func offloads(d tun.Device, sockets udp.Features) map[string]string {
	return map[string]string{
		string(config.OffloadTSO):         onOff(d.Offloads().TSO),
		string(config.OffloadUSO):         onOff(d.Offloads().USO),
		string(config.OffloadUDPSegment):  onOff(sockets.GSO),
		string(config.OffloadUDPGRO):      onOff(sockets.GRO),
		string(config.OffloadSPISteering): onOff(sockets.Steering),
		string(config.OffloadTUNSteering): onOff(d.Offloads().Steering),
		string(config.OffloadVAES):        onOff(esp.NativeName() != portableCipher),
	}
}
