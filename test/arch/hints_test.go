package arch

import (
	"fmt"
	"go/ast"
)

// hintless finds failures that tell no one what to do about them: a literal of
// sa.Failure has a Hint, or the function around it sets one.
func hintless(t *tree) []string {
	var problems []string
	for _, f := range t.goFiles() {
		if f.test() || !under(f.dir(), "ike", "internal") {
			continue
		}
		for _, decl := range f.ast.Decls {
			if !setsHint(decl) {
				problems = append(problems, failuresWithoutHint(t, f, decl)...)
			}
		}
	}
	return problems
}

func failuresWithoutHint(t *tree, f *goFile, in ast.Node) []string {
	var problems []string
	ast.Inspect(in, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || !isFailure(f, lit.Type) || len(lit.Elts) == 0 {
			return true
		}
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok && fmt.Sprint(kv.Key) == "Hint" {
				return true
			}
		}
		problems = append(problems, fmt.Sprintf("%s: a sa.Failure without a Hint: say what the user can do", t.at(lit)))
		return true
	})
	return problems
}

// isFailure tells whether a type is sa.Failure as it is called in the file.
func isFailure(f *goFile, of ast.Expr) bool {
	if name, ok := of.(*ast.Ident); ok {
		return name.Name == "Failure" && f.dir() == "ike/sa"
	}
	sel, ok := of.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Failure" && fmt.Sprint(sel.X) == "sa"
}

// setsHint tells whether a declaration sets the Hint of something.
func setsHint(in ast.Node) (found bool) {
	ast.Inspect(in, func(n ast.Node) bool {
		if assign, ok := n.(*ast.AssignStmt); ok {
			for _, to := range assign.Lhs {
				sel, ok := to.(*ast.SelectorExpr)
				found = found || ok && sel.Sel.Name == "Hint"
			}
		}
		return !found
	})
	return found
}
