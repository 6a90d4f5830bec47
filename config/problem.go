package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Severity says whether a problem prevents the configuration's use.
type Severity uint8

// The severities.
const (
	Error Severity = iota
	Warning
)

// Problem is one thing that is wrong with a file, or doubtful.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0: the whole file
	Path         string // of the key, such as connections.azure.remote.address
	What         string // what is wrong, and what is allowed
	Severity     Severity
}

// String gives `file:line:column: path: what`; a warning has `warning: ` before
// the path.
func (p Problem) String() string {
	if p.Severity == Warning {
		return p.text("warning: ")
	}
	return p.text("")
}

// Unmarked is String for those who are told otherwise that it is a warning.
func (p Problem) Unmarked() string { return p.text("") }

func (p Problem) text(mark string) string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column))
	}
	b.WriteString(": " + mark)
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.What)
	return b.String()
}

// Problems are sorted by place in the file.
type Problems []Problem

// Errors are the problems that prevent the configuration's use.
func (ps Problems) Errors() Problems { return ps.only(Error) }

// Warnings are the problems that do not.
func (ps Problems) Warnings() Problems { return ps.only(Warning) }

func (ps Problems) only(s Severity) Problems {
	var out Problems
	for _, p := range ps {
		if p.Severity == s {
			out = append(out, p)
		}
	}
	return out
}

// Err is nil if the configuration can be used; otherwise an *InvalidError.
func (ps Problems) Err() error {
	if e := ps.Errors(); len(e) > 0 {
		return &InvalidError{Problems: e}
	}
	return nil
}

// String gives one problem a line, without a newline at the end.
func (ps Problems) String() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// InvalidError says that a configuration cannot be used. Its text is every
// problem, one a line.
type InvalidError struct{ Problems Problems }

func (e *InvalidError) Error() string { return e.Problems.String() }

// sorted orders problems by place and drops repetitions: a mistake under
// defaults is found once for each connection and said once.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.What, b.What),
		)
	})
	return slices.Compact(ps)
}
