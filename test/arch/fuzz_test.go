package arch

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// fuzzedBy names for each exported function that reads what others wrote the
// fuzz target that reaches it, of its package unless another is named. A parser
// without a row fails.
var fuzzedBy = map[string]string{
	"config.Load":                      "FuzzLoad",
	"config.LoadText":                  "FuzzLoad",
	"config.Parse":                     "FuzzLoad",
	"esp.Open":                         "FuzzOpen",
	"esp.OpenBatch":                    "tunnel.FuzzInbound",
	"esp/ccm.Open":                     "FuzzOpen",
	"esp/gcm.Open":                     "FuzzForms",
	"esp/selector.Parse":               "FuzzParse",
	"ike/auth.ParseIdentity":           "FuzzParseIdentity",
	"ike/ikev1/isakmp.ParseAttributes": "FuzzAttributes",
	"ike/ikev1/isakmp.ParseHeader":     "FuzzMessage",
	"ike/ikev1/isakmp.ParseMessage":    "FuzzMessage",
	"ike/ikev1/isakmp.ParsePayloads":   "FuzzPayloads",
	"ike/transform.Open":               "FuzzProtectorOpen",
	"ike/transform.ParseIKEv1Proposal": "FuzzParseProposal",
	"ike/transform.ParseProposal":      "FuzzParseProposal",
	"ike/wire.ParseHeader":             "FuzzMessage",
	"ike/wire.ParseMessage":            "FuzzMessage",
	"ike/wire.ParsePayloads":           "FuzzPayloads",
	"ike/auth.ParseAlgorithm":          "FuzzParseAlgorithm",
	"ike/auth.ParseCertificate":        "FuzzParseCertificate",
	"ike/auth.ParseCertificates":       "FuzzParseCertificate",
	"ike/wire.ParseGateway":            "FuzzGateway",
	"ike/ticket.Open":                  "FuzzOpen",
	"ike/auth.ParseHashAlgorithms":     "FuzzParseHashAlgorithms",
	"ike/auth.ParsePublicKey":          "FuzzParsePublicKey",
	"ike/auth.ParseRevocationLists":    "FuzzParseRevocationLists",
	"ike/auth.ParseScheme":             "FuzzParseScheme",
	"ike/auth.ParsePrivateKey":         "FuzzParsePrivateKey",
	"ike/auth.ParsePublicKeyFile":      "FuzzParsePrivateKey",
}

// notParsers open a thing of the kernel's instead of reading bytes.
var notParsers = []string{"routing/kernel", "tunnel/tun"}

var parserName = regexp.MustCompile(`^(Parse|Open|Load|Decode|Unmarshal)([A-Z]|$)`)

// parsers lists the exported functions and methods of a package that are named
// like one.
func parsers(t *tree, dir string) []string {
	if t.packages[dir] == nil {
		return nil
	}
	var names []string
	for _, f := range t.packages[dir].files {
		for _, d := range f.ast.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && !f.test() && parserName.MatchString(d.Name.Name) {
				names = append(names, d.Name.Name)
			}
		}
	}
	return names
}

func unfuzzedParsers(t *tree) []string {
	var problems []string
	for dir := range t.packages {
		if under(dir, "test") || slices.Contains(notParsers, dir) {
			continue
		}
		for _, name := range parsers(t, dir) {
			in, target, elsewhere := strings.Cut(fuzzedBy[dir+"."+name], ".")
			if !elsewhere {
				in, target = dir, in
			}
			switch {
			case target == "":
				problems = append(problems, fmt.Sprintf("%s.%s reads what others wrote and has no row in the table of fuzz targets", dir, name))
			case !reaches(t.packages[in], target, name):
				problems = append(problems, fmt.Sprintf("%s: %s does not reach %s, or does not exist", in, target, name))
			}
		}
	}
	return problems
}

// reaches follows the names that functions of a package use, from a fuzz target
// on. Methods of one name count as one, which errs on the side of reaching.
func reaches(p *goFiles, target, wanted string) bool {
	if p == nil {
		return false
	}
	uses := map[string][]string{}
	for _, f := range p.files {
		for _, d := range f.ast.Decls {
			d, ok := d.(*ast.FuncDecl)
			if !ok || d.Body == nil || strings.HasPrefix(d.Name.Name, "Fuzz") && d.Name.Name != target {
				continue
			}
			ast.Inspect(d.Body, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					uses[d.Name.Name] = append(uses[d.Name.Name], id.Name)
				}
				return true
			})
		}
	}
	seen, next := map[string]bool{target: true}, []string{target}
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		for _, used := range uses[name] {
			if !seen[used] {
				seen[used] = true
				next = append(next, used)
			}
		}
	}
	return uses[target] != nil && seen[wanted]
}
