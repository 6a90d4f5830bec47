package arch

import (
	"fmt"
	"maps"
	"slices"
)

// confined are imports that only some directories may have; those below count
// too. Tests are free of it unless the row says otherwise.
var confined = []struct {
	imported []string
	only     []string
	why      string
	tests    bool
}{
	{[]string{"go.uber.org/zap", "github.com/prometheus"}, []string{"cmd", "internal"}, "the core tells what happened by typed reports", true},
	{[]string{"math/rand"}, nil, "math/rand/v2 replaces it", true},
	{[]string{"crypto/md5", "crypto/rc4", "crypto/dsa"}, nil, "no longer safe", true},
	{[]string{"crypto/des"}, []string{"esp/tripledes"}, "only as 3DES, which is limited there", true},
	{[]string{"crypto/sha1"}, []string{"esp", "ike/transform", "ike/ikev2", "ike/auth"}, "only for transforms that name it, for NAT detection, and for key hashes in CERTREQ", false},
	{[]string{"log", "log/slog"}, []string{"internal/gateway", "config", "ike/auth"}, "one place logs; the others only redact secrets for it", false},
	{[]string{"net/http"}, []string{"internal/control", "ike/auth/online", "cmd", "test"}, "one server, on the control socket, and one client, of authorities' servers", false},
	{[]string{"net/http/pprof", "expvar"}, nil, "they open themselves to whoever reaches the server", true},
	{[]string{"os/exec"}, []string{"test"}, "a gateway runs no other program", false},
	{[]string{"C"}, nil, "one static binary", true},
	{[]string{"plugin"}, nil, "one static binary", true},
	{[]string{"unsafe"}, []string{"tunnel/udp", "tunnel/tun", "esp/gcm", "esp/prefetch"}, "only where the kernel's structures are laid out, and beside assembly", false},
	{[]string{"testing"}, []string{"test", "tunnel/tun/tuntest"}, "tests stay out of the program", false},
	{[]string{"github.com/vishvananda/netlink"}, []string{"routing/kernel", "test"}, "one place talks netlink", false},
	{[]string{"github.com/vishvananda/netns"}, []string{"routing/kernel", "test"}, "one place knows network namespaces", false},
	{[]string{"golang.zx2c4.com/wireguard"}, []string{"tunnel/tun"}, "one backend of a device; nothing else of it is used", true},
	{[]string{"go.yaml.in/yaml"}, []string{"config"}, "one place reads configuration", false},
}

func foreignImports(t *tree) []string {
	var problems []string
	for _, f := range t.goFiles() {
		for _, imported := range slices.Sorted(maps.Keys(f.imports())) {
			for _, row := range confined {
				free := under(f.dir(), row.only...) || f.test() && !row.tests
				if free || !matches(imported, row.imported) {
					continue
				}
				problems = append(problems, fmt.Sprintf("%s: %s must not import %s: %s", f.path, f.dir(), imported, row.why))
			}
		}
	}
	return problems
}

// matches tells whether a path of another module is one of those, or below
// one; of the standard library, whether it is one.
func matches(imported string, list []string) bool {
	return slices.ContainsFunc(list, func(row string) bool {
		return imported == row || slices.Contains([]rune(row), '.') && under(imported, row)
	})
}
