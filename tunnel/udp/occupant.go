package udp

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// programs are the names under which other users of the IKE ports run.
var programs = map[string]string{
	"charon":         "strongSwan",
	"charon-systemd": "strongSwan",
	"charon-cmd":     "strongSwan",
	"pluto":          "libreswan",
	"iked":           "OpenIKED",
	"racoon":         "racoon (ipsec-tools)",
	"causeway":       "another Causeway",
}

// bindError says why a port cannot be had and what to do about it.
func bindError(local netip.AddrPort, errno unix.Errno) error {
	switch errno {
	case unix.EADDRINUSE:
		return fmt.Errorf("udp: cannot listen on %v: %w: the port is held by %s; stop it or choose other ports",
			local, errno, occupant(local.Port()))
	case unix.EACCES, unix.EPERM:
		return fmt.Errorf("udp: cannot listen on %v: %w: a port below %d needs root or CAP_NET_BIND_SERVICE",
			local, errno, 1024)
	case unix.EADDRNOTAVAIL:
		return fmt.Errorf("udp: cannot listen on %v: %w: no interface has that address", local, errno)
	}
	return fmt.Errorf("udp: cannot listen on %v: %w", local, errno)
}

// occupant describes the program that holds a UDP port, as far as /proc tells.
func occupant(port uint16) string {
	inodes := inodesOnPort("/proc/thread-self/net/udp", port)
	inodes = append(inodes, inodesOnPort("/proc/thread-self/net/udp6", port)...)
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			continue
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		if ok && slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
			return describe(strings.Split(link, "/")[2])
		}
	}
	return "a program that cannot be seen from here (try `ss -lunp` as root)"
}

func describe(pid string) string {
	b, _ := os.ReadFile("/proc/" + pid + "/comm")
	name := strings.TrimSpace(string(b))
	if name == "" {
		name = "a program"
	}
	if product, ok := programs[name]; ok {
		return fmt.Sprintf("%s (%s, process %s)", product, name, pid)
	}
	return fmt.Sprintf("%s (process %s)", name, pid)
}

// inodesOnPort lists the sockets of a /proc/PID/net/udp table that are bound to
// the port.
func inodesOnPort(table string, port uint16) (inodes []string) {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// sl local_address rem_address st queues tr retrnsmt uid timeout inode
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 {
			continue
		}
		_, hex, ok := strings.Cut(fields[1], ":")
		if !ok {
			continue
		}
		if p, err := strconv.ParseUint(hex, 16, 16); err == nil && uint16(p) == port {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}
