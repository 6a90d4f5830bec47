package gateway

import (
	"net"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

func TestNotifySupervisor(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "notify"), "@causeway-test-" + filepath.Base(t.TempDir())} {
		address := &net.UnixAddr{Name: path, Net: "unixgram"}
		l, err := net.ListenUnixgram("unixgram", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("NOTIFY_SOCKET", path)
		notifySupervisor("READY=1")
		notifySupervisor(reloadingState()...)
		for _, want := range []string{`^READY=1$`, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`} {
			b := make([]byte, 256)
			if err := l.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, err := l.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(want).Match(b[:n]) {
				t.Errorf("%s: %q, want %s", path, b[:n], want)
			}
		}
		l.Close()
		notifySupervisor("READY=1") // nobody listens
	}
	t.Setenv("NOTIFY_SOCKET", "")
	notifySupervisor("READY=1")
}
