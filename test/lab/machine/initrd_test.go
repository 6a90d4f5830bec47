package machine

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestClosure loads what a module needs before it.
func TestClosure(t *testing.T) {
	root := fstest.MapFS{"usr/lib/modules/6.1/modules.dep": {Data: []byte(`kernel/net.ko.xz: kernel/failover.ko.xz kernel/ring.ko.xz
kernel/failover.ko.xz: kernel/ring.ko.xz
kernel/ring.ko.xz:
kernel/other.ko.xz: kernel/ring.ko.xz
`)}}
	got, err := closure(root, []string{"net", "ring"})
	want := []string{"usr/lib/modules/6.1/kernel/ring.ko.xz", "usr/lib/modules/6.1/kernel/failover.ko.xz", "usr/lib/modules/6.1/kernel/net.ko.xz"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := closure(root, []string{"unknown"}); err == nil {
		t.Error("a module that does not exist has files")
	}
	if _, err := closure(fstest.MapFS{}, nil); err == nil {
		t.Error("a root without a kernel has modules")
	}
}

// TestCPIO looks at the fields that the kernel reads: whether it reads them the
// same way, every boot shows.
func TestCPIO(t *testing.T) {
	var c cpio
	c.add("sys", fs.ModeDir|0o755, nil)
	c.add("init", 0o755, []byte("five!"))
	b := string(c.close())
	if len(b)%4 != 0 || !strings.HasPrefix(b, "07070100000001000041ed") || strings.Count(b, "070701") != 3 {
		t.Errorf("%q", b)
	}
	if at := strings.Index(b, "five!"); at < 0 || at%4 != 0 {
		t.Errorf("the content begins at %d, no multiple of four", at)
	}
}
