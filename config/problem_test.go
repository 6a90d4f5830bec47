package config

import "testing"

// TestProblemInWords: a warning says that it is one, unless the reader is told so.
func TestProblemInWords(t *testing.T) {
	p := Problem{File: "a.yaml", Line: 3, Column: 5, Path: "connections.a.idle", What: "never passes", Severity: Warning}
	if got := p.String(); got != "a.yaml:3:5: warning: connections.a.idle: never passes" {
		t.Error(got)
	}
	if got := p.Unmarked(); got != "a.yaml:3:5: connections.a.idle: never passes" {
		t.Error(got)
	}
	if got := (Problem{File: "a.yaml", What: "is empty"}).String(); got != "a.yaml: is empty" {
		t.Error(got)
	}
}
