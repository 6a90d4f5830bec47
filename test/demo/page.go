package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// page is the output: sections with a rule above, and their content indented.
type page struct {
	w     io.Writer
	style bool // a terminal reads it
}

func newPage(f *os.File) *page {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return &page{w: f, style: err == nil && os.Getenv("NO_COLOR") == ""}
}

const width = 78

// section begins one.
func (p *page) section(title string) {
	rule := strings.Repeat("─", max(3, width-len([]rune(title))-4))
	fmt.Fprintf(p.w, "\n%s\n\n", p.bold("── "+title+" "+rule))
}

// line writes one line of content.
func (p *page) line(format string, arguments ...any) {
	text := strings.TrimRight(fmt.Sprintf("  "+format, arguments...), " ")
	fmt.Fprintln(p.w, text)
}

// command shows what a user would type.
func (p *page) command(text string) { fmt.Fprintf(p.w, "  %s\n", p.bold("$ "+text)) }

// block writes the output of a command.
func (p *page) block(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		p.line("%s", strings.TrimRight(line, "\n"))
	}
}

func (p *page) bold(text string) string {
	if !p.style {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}
