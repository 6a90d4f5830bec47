package arch

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// pure are the packages that have no clock, and whose outcome depends on
// nothing but their arguments: their tests need no waiting and their failures
// can be replayed.
var pure = []string{
	"ike/wire", "ike/transform", "ike/keymat", "ike/auth", "ike/cookie", "ike/ticket", "ike/sa", "ike/ikev2", "ike/ikev1", "ike/ikev1/isakmp", "ike/sansio",
	"esp", "esp/selector", "routing", "routing/meter", "routing/translate",
}

// clocks are the functions of time that read or wait for the real one.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// outside are imports by which the world comes in; esp draws initialisation
// vectors, so randomness is kept from ike only.
var outside = []string{"net", "os", "os/signal", "syscall", "golang.org/x/sys/unix", "math/rand/v2"}

func impurities(t *tree) []string {
	var problems []string
	for _, dir := range pure {
		if t.packages[dir] == nil {
			continue
		}
		for _, f := range t.packages[dir].files {
			if !f.test() {
				problems = append(problems, impure(t, f)...)
			}
		}
	}
	return problems
}

func impure(t *tree, f *goFile) []string {
	var problems []string
	for imported, spec := range f.imports() {
		if slices.Contains(outside, imported) || imported == "crypto/rand" && strings.HasPrefix(f.path, "ike/") {
			problems = append(problems, fmt.Sprintf("%s: imports %s: this package is pure; what it needs is given to it", t.at(spec), imported))
		}
	}
	clock := ""
	if spec := f.imports()["time"]; spec != nil {
		clock = "time"
		if spec.Name != nil {
			clock = spec.Name.Name
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			problems = append(problems, fmt.Sprintf("%s: starts a goroutine: this package is pure; its owner decides who runs it", t.at(n)))
		case *ast.SelectorExpr:
			from, ok := n.X.(*ast.Ident)
			if ok && from.Name == clock && slices.Contains(clocks, n.Sel.Name) {
				problems = append(problems, fmt.Sprintf("%s: uses time.%s: this package is pure; the time is an argument", t.at(n), n.Sel.Name))
			}
		}
		return true
	})
	return problems
}
