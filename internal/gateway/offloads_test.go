package gateway

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"causeway/config"
	"causeway/tunnel/tun"
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
