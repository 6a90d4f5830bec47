package vici

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoundTrip(t *testing.T) {
	want := Section{
		"child": "net",
		"list":  []string{"a", "", "c"},
		"inner": Section{"empty": Section{}, "key": "value"},
	}
	encoded := encode(nil, want)
	got, err := decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded differs (-want +got):\n%s", diff)
	}
}

func TestDecodeTruncated(t *testing.T) {
	encoded := encode(nil, Section{"inner": Section{"list": []string{"a"}, "key": "value"}})
	for n := 1; n < len(encoded); n++ {
		if s, err := decode(encoded[:n]); err == nil {
			t.Errorf("%d of %d bytes decoded to %v", n, len(encoded), s)
		}
	}
}
