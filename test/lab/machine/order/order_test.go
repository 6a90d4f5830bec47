package order

import (
	"bytes"
	"testing"
)

func TestFrame(t *testing.T) {
	var b bytes.Buffer
	for _, body := range []string{"", "some output\n"} {
		if err := WriteFrame(&b, Output, []byte(body)); err != nil {
			t.Fatal(err)
		}
		kind, got, err := ReadFrame(&b)
		if err != nil || kind != Output || string(got) != body {
			t.Errorf("%q arrived as kind %d, %q, %v", body, kind, got, err)
		}
	}
	for name, raw := range map[string]string{
		"nothing":   "",
		"truncated": "\x00\x00\x00\x00\x05abc",
		"too long":  "\x00\xff\xff\xff\xff",
	} {
		if _, _, err := ReadFrame(bytes.NewReader([]byte(raw))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
