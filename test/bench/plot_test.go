package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// someResults is a run of two contenders.
func someResults() results {
	return results{
		"tcp":  {raw: {{bits: 10e9}, {bits: 12e9}, {bits: 11e9}}, causeway: {{bits: 5e9}, {bits: 6e9}}},
		"ping": {raw: {{ping: 0.05}}, causeway: {{ping: 0.3}}},
	}
}

// TestDraw reads the picture as XML and looks for what it has to show. With
// PLOT=FILE it is written there, to be looked at.
func TestDraw(t *testing.T) {
	picture := draw(options{only: []string{raw, causeway}}, throughputRows, someResults())
	if file := os.Getenv("PLOT"); file != "" {
		if err := os.WriteFile(file, []byte(picture), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bars := 0
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "line" {
			bars++
		}
	}
	if bars != 4 {
		t.Errorf("%d bars, want one for each contender and test", bars)
	}
	for _, want := range []string{"TCP, 1 flow, Gbit/s", "11.00", "5.50", "0.30", "prefers-color-scheme: dark", `class="ours"`} {
		if !strings.Contains(picture, want) {
			t.Errorf("the picture has no %q", want)
		}
	}
}
