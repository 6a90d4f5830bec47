package lab

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"causeway/test/lab/world"
)

// overflowedOutside is how many packets found no room in the queues of the kernel
// between devices, of all namespaces, and in those of the clients' UDP sockets.
func (s *scene) overflowedOutside() (n int) {
	s.t.Helper()
	text, err := os.ReadFile("/proc/net/softnet_stat")
	s.must(err)
	n = softnetDrops(s.t, string(text))
	for _, client := range []*world.Namespace{s.ClientA, s.ClientB} {
		text, err := client.Run(s.ctx, "cat", "/proc/net/snmp")
		s.must(err)
		drops, ok := snmpCount(text, "Udp:", "RcvbufErrors")
		if !ok {
			s.t.Fatalf("the kernel does not count what sockets have no room for:\n%s", text)
		}
		n += drops
	}
	return n
}

// softnetDrops adds up the second column, which is hexadecimal, of each processor.
func softnetDrops(t *testing.T, text string) (n int) {
	t.Helper()
	for line := range strings.Lines(text) {
		drops, err := strconv.ParseUint(strings.Fields(line)[1], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		n += int(drops)
	}
	return n
}

// snmpCount is a counter of /proc/net/snmp, of which a line of names comes before one of
// values.
func snmpCount(text, protocol, name string) (n int, ok bool) {
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] != protocol:
		case names == nil:
			names = fields
		default:
			for i := range min(len(names), len(fields)) {
				if names[i] == name {
					n, err := strconv.Atoi(fields[i])
					return n, err == nil
				}
			}
		}
	}
	return 0, false
}
