package tuntest

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"causeway/tunnel/tun"
)

const offset = tun.HeaderRoom

func buffers(n int) ([][]byte, []int) {
	bufs := make([][]byte, n)
	for i := range bufs {
		bufs[i] = make([]byte, offset+100)
	}
	return bufs, make([]int, n)
}

func TestInjectedIsRead(t *testing.T) {
	d := New("t0", 1400)
	d.Inject([]byte("one"), []byte("two"), []byte("three"))
	d.Inject([]byte("four"))
	var got [][]string
	for range 3 {
		bufs, sizes := buffers(2)
		n, err := d.Read(bufs, sizes, offset)
		if err != nil {
			t.Fatal(err)
		}
		var batch []string
		for i := range n {
			batch = append(batch, string(bufs[i][offset:offset+sizes[i]]))
		}
		got = append(got, batch)
	}
	if d := cmp.Diff([][]string{{"one", "two"}, {"three"}, {"four"}}, got); d != "" {
		t.Error(d)
	}
}

func TestWrittenIsDelivered(t *testing.T) {
	d := New("t0", 1400)
	one, two := append(make([]byte, offset), "one"...), append(make([]byte, offset), "two"...)
	if n, err := d.Write([][]byte{one, two}, offset); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if a, b := string(<-d.Written()), string(<-d.Written()); a != "one" || b != "two" {
		t.Error(a, b)
	}
	broken := errors.New("broken")
	d.FailWrites(broken)
	if n, err := d.Write([][]byte{one, two}, offset); n != 2 || err != broken {
		t.Error(n, err)
	}
	d.FailWrites(nil)
	if _, err := d.Write([][]byte{make([]byte, offset)}, offset); err == nil {
		t.Error("an empty packet was accepted")
	}
	if _, err := d.Write([][]byte{one}, offset-1); err == nil {
		t.Error("too little room was accepted")
	}
}

func TestCloseWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New("t0", 1400)
		ended := make(chan error)
		go func() {
			bufs, sizes := buffers(1)
			_, err := d.Read(bufs, sizes, offset)
			ended <- err
		}()
		synctest.Wait()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
		if _, err := d.Write([][]byte{make([]byte, offset+1)}, offset); !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
		d.Inject([]byte("late"))
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestMTU(t *testing.T) {
	d := New("t0", 1400)
	if err := d.SetMTU(1300); err != nil {
		t.Fatal(err)
	}
	if mtu, _ := d.MTU(); mtu != 1300 || d.Name() != "t0" || d.Queues() != 1 || d.BatchSize() < 1 {
		t.Error(mtu, d.Name(), d.Queues(), d.BatchSize())
	}
}
