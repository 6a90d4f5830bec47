package arch

import (
	"fmt"
	"go/ast"
	"slices"
)

// factless are the reasons of failures that have no facts of two sides to show: a
// defect of this program, a message that says nothing, what only this end has to do with.
var factless = []string{"ReasonInternal", "ReasonInvalidSyntax", "ReasonLocalRefused", "ReasonTimeout", "ReasonDataPath", "ReasonTicketRefused"}

// toldInMessage are the functions whose failures have a reason besides, and no facts
// either; why, for each.
var toldInMessage = map[string]string{
	"badValue":         "a public value that is wrong in itself: the message says how",
	"badShare":         "the same",
	"chooseSelectors":  "an identity that is no address: the message has it",
	"prove":            "the configuration was changed meanwhile",
	"accept":           "set by the same function, of what the peer offers",
	"ProposalMismatch": "set by the same function, of the error",
}

// unshown finds failures that show neither what this end wanted nor what the peer said:
// a literal of sa.Failure has Local or Remote, unless it has nothing to show.
func unshown(t *tree) []string {
	var problems []string
	for _, f := range t.goFiles() {
		if f.test() || !under(f.dir(), "ike") {
			continue
		}
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && toldInMessage[fn.Name.Name] == "" {
				problems = append(problems, failuresWithoutFacts(t, f, fn)...)
			}
		}
	}
	return problems
}

func failuresWithoutFacts(t *tree, f *goFile, in ast.Node) []string {
	var problems []string
	ast.Inspect(in, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || !isFailure(f, lit.Type) || len(lit.Elts) == 0 || hasFacts(lit) {
			return true
		}
		problems = append(problems, fmt.Sprintf("%s: a sa.Failure without Local and Remote: show what was wanted and what the peer said", t.at(lit)))
		return true
	})
	return problems
}

// hasFacts tells whether a failure has facts, or a reason that has none.
func hasFacts(lit *ast.CompositeLit) bool {
	return slices.ContainsFunc(lit.Elts, func(e ast.Expr) bool {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return false
		}
		switch fmt.Sprint(kv.Key) {
		case "Local", "Remote":
			return true
		case "Reason":
			name := fmt.Sprint(kv.Value)
			if sel, ok := kv.Value.(*ast.SelectorExpr); ok {
				name = sel.Sel.Name
			}
			return slices.Contains(factless, name)
		}
		return false
	})
}
