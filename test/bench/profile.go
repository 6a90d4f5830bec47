package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// profile samples each gateway process of a contender with perf(1) until done is
// closed, and then prints where the time went. The samples stay in the directory.
type profile struct {
	directory string
	recorders []*exec.Cmd
	controls  []*os.File
}

// profileFrequency is how often a second a process is sampled: no divisor of the
// kernel's ticks.
const profileFrequency = "499"

// profileLines is how much of each profile is printed.
const profileLines = 30

func (p *profile) file(i int) string {
	return filepath.Join(p.directory, fmt.Sprintf("gateway-%c.perf", 'b'-rune(i)))
}

// begin starts to sample. The contenders start gateway B first.
func (p *profile) begin(ctx context.Context, c *contender) error {
	if err := os.MkdirAll(p.directory, 0o755); err != nil {
		return err
	}
	for i, pid := range c.pids {
		cmd := exec.CommandContext(ctx, "perf", "record", "-q", "--control=fd:3,4", "-e", "cpu-clock", "-F", profileFrequency, "-g", "-o", p.file(i), "-p", strconv.Itoa(pid))
		if err := p.start(cmd); err != nil {
			return errors.Join(fmt.Errorf("perf: %w", err), p.end())
		}
	}
	return nil
}

// start starts a recorder and returns when it records: on a busy machine that may
// be seconds later (perf-record(1), --control).
func (p *profile) start(cmd *exec.Cmd) error {
	control, ask, err := os.Pipe()
	if err != nil {
		return err
	}
	p.controls = append(p.controls, ask) // perf ends when they close
	answer, acknowledge, err := os.Pipe()
	if err != nil {
		return errors.Join(err, control.Close())
	}
	p.controls = append(p.controls, answer)
	cmd.ExtraFiles = []*os.File{control, acknowledge}
	err = cmd.Start()
	control.Close()
	acknowledge.Close()
	if err != nil {
		return err
	}
	p.recorders = append(p.recorders, cmd)
	if _, err := ask.WriteString("ping\n"); err != nil {
		return err
	}
	_, err = answer.Read(make([]byte, 16)) // "ack", or the end of perf
	return err
}

// end ends sampling and prints.
func (p *profile) end() error {
	defer func() {
		for _, f := range p.controls {
			f.Close()
		}
	}()
	var problems []error
	for i, cmd := range p.recorders {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			problems = append(problems, fmt.Errorf("perf: %w", err))
		}
		_ = cmd.Wait() // perf ends with the signal's status
		fmt.Printf("\n%s, own time of the functions:\n", p.file(i))
		report := exec.Command("sh", "-c", `perf report -i "$1" --stdio --no-children -g none --sort symbol 2>/dev/null | grep -v '^#' | grep . | head -n "$2"`,
			"sh", p.file(i), strconv.Itoa(profileLines))
		report.Stdout = os.Stdout
		problems = append(problems, report.Run())
	}
	return errors.Join(problems...)
}
