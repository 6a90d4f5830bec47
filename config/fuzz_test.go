package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad: no text panics; problems are sorted, have a place and one line each;
// and what loads is equal to itself when it is loaded again.
func FuzzLoad(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name == "config.yaml" {
				f.Add(file.Data)
			}
		}
	}
	example, err := os.ReadFile("testdata/interface.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "psk_file") {
			return // no file that the fuzzer names is opened
		}
		c, problems := Parse("gw.yaml", data, testChecks)
		if (c == nil) != (problems.Err() != nil) {
			t.Fatalf("%v with the error %v", c, problems.Err())
		}
		line := 0
		for _, p := range problems {
			if p.Line < max(line, 1) || p.Column < 1 || p.What == "" || strings.ContainsFunc(p.String(), isControl) {
				t.Errorf("bad problem %q", p)
			}
			line = p.Line
		}
		if c == nil {
			return
		}
		again, _ := Parse("gw.yaml", data, testChecks)
		if !c.Equal(again) {
			t.Errorf("loaded twice, the same text differs: %+v", Diff(c, again))
		}
	})
}

// FuzzDuration: what is read as a duration is written and read the same.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"8h", "1h30m", "2d", "1.5s", "9999999999h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseDuration(text)
		if err != nil {
			return
		}
		if v = v.Truncate(time.Millisecond); v < 0 {
			t.Fatalf("%q is %s", text, v)
		}
		if w, err := parseDuration(formatDuration(v)); err != nil || w != v {
			t.Errorf("%q is %s, written %s, read %s, %v", text, v, formatDuration(v), w, err)
		}
	})
}
