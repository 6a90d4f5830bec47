// Package arch holds the rules of this project that no compiler knows: which
// package may import which, what each must document, how long a function may
// be, which modules may be used, that every parser is fuzzed and that the
// documentation names what exists. It has tests only.
//
// Each rule reads a source tree and lists what is wrong with it. The trees under
// testdata break the rules on purpose, one file per rule, and hold what the rule
// must say then: a rule that no longer finds anything fails.
package arch
