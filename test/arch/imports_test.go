package arch

import (
	"fmt"
	"slices"
	"strings"
)

// arrows are the packages of ours that one may import, and why no more.
type arrows struct {
	to  []string
	why string
}

// arrowsOf is the import graph. A package that is not here fails, and so does
// any arrow that is not.
var arrowsOf = map[string]arrows{
	"config":           {nil, "a leaf: a configuration is read and checked without anything that acts on it"},
	"ike/wire":         {nil, "runs on strangers' bytes: whatever it imported, a stranger could reach"},
	"ike/sansio":       {[]string{"ike/sa", "ike/keymat", "ike/transform"}, "what both machines stand on; knows no message"},
	"ike/ikev1/isakmp": {nil, "runs on strangers' bytes, as ike/wire does, and shares nothing with it: no payload of one version is read as the other's"},
	"ike/cookie":       {[]string{"ike/wire", "ike/keymat"}, "with wire, the only code before authentication"},
	"ike/ticket":       {nil, "seals bytes; what they mean is the machine's"},
	"esp/selector":     {nil, "the vocabulary of both halves"},
	"routing":          {nil, "knows prefixes, not tunnels"},

	"ike/transform":   {[]string{"esp/ccm", "esp/gcm", "esp/tripledes"}, "IANA numbers to primitives; nothing else knows the numbers"},
	"ike/keymat":      {[]string{"ike/transform"}, "pure functions of keys"},
	"ike/auth":        {[]string{"ike/wire", "ike/keymat", "ike/transform"}, "identities and secrets, no state"},
	"ike/auth/online": {nil, "HTTP only: package auth judges what it gets"},
	"ike/sa":          {[]string{"ike/auth", "ike/transform", "ike/wire", "esp/selector"}, "values that machine, engine and gateway share"},
	"ike/ikev1": {[]string{"ike/ikev1/isakmp", "ike/sansio", "ike/wire", "ike/transform", "ike/keymat", "ike/auth", "ike/cookie", "ike/sa", "esp/selector"},
		"sans I/O: the same events give the same bytes; of ike/wire only the identities' types"},
	"ike/ikev2": {[]string{"ike/sansio", "ike/wire", "ike/transform", "ike/keymat", "ike/auth", "ike/cookie", "ike/ticket", "ike/sa", "esp/selector"},
		"sans I/O: the same events give the same bytes"},
	"ike": {[]string{"ike/wire", "ike/transform", "ike/keymat", "ike/auth", "ike/cookie", "ike/ticket", "ike/sa", "ike/ikev1", "ike/ikev2", "esp/selector"},
		"the control plane reaches the data path only through the interface it declares"},

	"esp/ccm":              {nil, "a cipher: bytes in, bytes out"},
	"esp/gcm":              {[]string{"esp/prefetch"}, "a cipher: bytes in, bytes out"},
	"esp/gcm/internal/asm": {nil, "writes assembly; linked into nothing"},
	"esp/tripledes":        {nil, "a cipher: bytes in, bytes out"},
	"esp/prefetch":         {nil, "addresses: knows nothing of what lies there"},
	"esp":                  {[]string{"esp/selector", "esp/ccm", "esp/gcm", "esp/prefetch", "esp/tripledes"}, "transforms packets; no sockets, no tunnels"},
	"tunnel/linux":         {nil, "one place knows which kernel this is"},
	"tunnel/udp":           {[]string{"tunnel/linux"}, "sockets, for whatever is sent"},
	"tunnel/tun":           {[]string{"tunnel/linux"}, "devices, for whatever is read"},
	"tunnel/tun/tuntest":   {[]string{"tunnel/tun"}, "a device without a kernel, for tests"},
	"tunnel": {[]string{"esp", "esp/prefetch", "esp/selector", "routing", "routing/meter", "routing/translate", "tunnel/udp", "tunnel/tun"},
		"the data path works with the control plane stopped: never ike"},
	"routing/meter":     {nil, "rates and bytes: the caller knows what they belong to"},
	"routing/translate": {nil, "packets in, packets out"},
	"routing/kernel":    {nil, "makes the kernel as wanted; does not decide what is wanted"},
	"routing/usage":     {nil, "adds up what counters grew by: the caller knows what they count"},
	"routing/probe":     {nil, "counts answers; what follows from them is decided elsewhere"},

	"internal/control": {nil, "its types are the API: internal/gateway fills them"},
	"internal/gateway": {[]string{"config", "ike", "ike/auth", "ike/auth/online", "ike/sa", "ike/transform", "esp", "esp/selector", "tunnel", "tunnel/tun", "tunnel/udp",
		"routing", "routing/kernel", "routing/meter", "routing/probe", "routing/translate", "routing/usage", "internal/control"}, "the only place where all meet"},
	"cmd/causeway": {[]string{"config", "internal/control", "internal/gateway"}, "no logic"},
}

// testArrows are what the tests of a package may import besides.
var testArrows = map[string]arrows{
	"ike/ikev2":        {[]string{"test/transcript"}, "its property tests and fuzz targets drive two machines"},
	"internal/gateway": {[]string{"test/pki", "tunnel/tun/tuntest", "test/netdev"}, "certificates made for the test, and devices with and without a kernel"},
	"ike/auth":         {[]string{"test/pki"}, "certificates made for the test"},
	"ike/ikev1":        {[]string{"test/pki"}, "certificates made for the test"},
	"tunnel":           {[]string{"tunnel/tun/tuntest", "test/netdev"}, "packets with and without a kernel"},
	"tunnel/tun":       {[]string{"test/netdev"}, "the kernel's side of a device"},
	"tunnel/udp":       {[]string{"test/netdev"}, "a link between two hosts"},
	"esp":              {[]string{"test/vectors"}, "published vectors"},
	"esp/ccm":          {[]string{"test/vectors"}, "published vectors"},
	"esp/gcm":          {[]string{"test/vectors"}, "published vectors"},
	"ike/transform":    {[]string{"test/vectors"}, "published vectors"},
}

func wrongImports(t *tree) []string {
	var problems []string
	for _, f := range t.goFiles() {
		dir := f.dir()
		if under(dir, "test") {
			continue // may import anything of ours
		}
		allowed, known := arrowsOf[dir]
		if !known {
			problems = append(problems, fmt.Sprintf("%s: package %s has no row in the table of imports", f.path, dir))
			continue
		}
		for imported := range f.imports() {
			to, ours := strings.CutPrefix(imported, module+"/")
			switch {
			case !ours, slices.Contains(allowed.to, to):
			case f.test() && (to == dir || slices.Contains(testArrows[dir].to, to)):
			default:
				problems = append(problems, fmt.Sprintf("%s: %s must not import %s: %s", f.path, dir, to, allowed.why))
			}
		}
	}
	return problems
}
