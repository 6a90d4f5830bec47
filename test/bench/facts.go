package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// fact is something about the machine or a program.
type fact struct{ name, value string }

// gather asks what the results depend on. What cannot be asked is said so.
func gather(ctx context.Context, o options) []fact {
	var kernel unix.Utsname
	release := "unknown"
	if err := unix.Uname(&kernel); err == nil {
		release = unix.ByteSliceToString(kernel.Release[:])
	}
	var versions []string
	for _, v := range []struct {
		of      string
		command []string
	}{
		{causeway, []string{"bin/causeway", "version"}},
		{swan, []string{"/usr/lib/ipsec/charon", "--version"}},
		{"", []string{"iperf3", "--version"}},
	} {
		if v.of == "" || slices.Contains(o.only, v.of) {
			versions = append(versions, firstLine(ctx, v.command))
		}
	}
	if slices.Contains(o.only, wireguard) {
		versions = append(versions, "wireguard-go "+wireguardModule[strings.LastIndex(wireguardModule, "v"):])
	}
	return []fact{
		{"machine", fmt.Sprintf("%s, %d cores, Linux %s", processor(), runtime.NumCPU(), release)},
		{"versions", strings.Join(versions, "; ")},
		{"when", fmt.Sprintf("%s, load of the last minute before it: %s", time.Now().UTC().Format("2006-01-02 15:04 UTC"), load())},
		{"command", fmt.Sprintf("`make bench BENCH='-seconds %d -rounds %d'`", o.seconds, o.rounds)},
	}
}

func firstLine(ctx context.Context, command []string) string {
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return command[0] + ": " + err.Error()
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH + " processor"
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
