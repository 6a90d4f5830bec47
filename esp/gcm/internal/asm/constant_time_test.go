package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConstantTime follows what comes from memory, which is keys, nonces and packets,
// and from vectors through the general registers of every function: no jump depends on
// it, and no address. What is left is arguments: lengths and pointers. Vectors reach
// neither but through those registers, and the masks of vector stores are made of
// lengths (tails.go).
func TestConstantTime(t *testing.T) {
	functions := 0
	for _, name := range []string{"avx2_amd64.s", "avx512_amd64.s", "block_amd64.s"} {
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		for title, body := range functionsOf(string(text)) {
			functions++
			for _, leak := range leaks(body) {
				t.Errorf("%s, %s: %s", name, title, leak)
			}
		}
	}
	if functions != 8 {
		t.Errorf("%d functions were read, want 8", functions)
	}
}

// TestLeaks holds what TestConstantTime relies on.
func TestLeaks(t *testing.T) {
	for body, leaky := range map[string]bool{
		"MOVQ n+0(FP), CX\nTESTQ CX, CX\nJEQ done\ndone:\nRET":                                  false,
		"MOVQ p+0(FP), SI\nMOVQ (SI), CX\nTESTQ CX, CX\nJEQ done\ndone:\nRET":                   true,
		"MOVQ p+0(FP), SI\nCMPB (SI), $3\nJEQ done\ndone:\nRET":                                 true,
		"MOVQ p+0(FP), SI\nMOVBLZX (SI), CX\nMOVB (SI)(CX*1), DX\nRET":                          true,
		"VMOVD X0, CX\nADDQ CX, DX\nSUBQ $1, DX\nJB done\ndone:\nRET":                           true,
		"VPTEST Y0, Y0\nJEQ done\ndone:\nRET":                                                   true,
		"MOVQ p+0(FP), SI\nVMOVD X0, CX\nXORL CX, CX\nMOVB (SI)(CX*1), DX\nRET":                 false,
		"MOVQ p+0(FP), SI\nMOVQ $0, CX\nloop:\nTESTQ CX, CX\nJEQ loop\nMOVQ (SI), CX\nJMP loop": true,
		"VPTEST Y0, Y0\nSETEQ ret+8(FP)\nRET":                                                   false,
	} {
		if got := leaks(strings.Split(body, "\n")); (len(got) > 0) != leaky {
			t.Errorf("%q: leaks %q", body, got)
		}
	}
}

// functionsOf gives the lines of each function, without comments.
func functionsOf(text string) map[string][]string {
	functions, title := map[string][]string{}, ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "//")
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "TEXT "):
			title, _, _ = strings.Cut(line, ",")
		case strings.HasPrefix(line, "DATA "), strings.HasPrefix(line, "GLOBL "):
			title = ""
		case line != "" && title != "":
			functions[title] = append(functions[title], line)
		}
	}
	return functions
}

// secrets are the general registers whose content is secret; "flags" are the flags.
type secrets map[string]bool

var (
	register = regexp.MustCompile(`\b(AX|BX|CX|DX|SI|DI|BP|R[0-9]+)\b`)
	argument = regexp.MustCompile(`\+\d+\(FP\)$`)
	rounds   = mem(offRounds, "AX") // of the schedule: the key's length
)

// leaks are the lines whose time depends on a secret, in every way through a function.
func leaks(body []string) []string {
	at := map[string]int{}
	for i, line := range body {
		if label, ok := strings.CutSuffix(line, ":"); ok {
			at[label] = i
		}
	}
	before := make([]secrets, len(body))
	var list []string
	type visit struct {
		line int
		with secrets
	}
	for work := []visit{{0, secrets{}}}; len(work) > 0; {
		v := work[len(work)-1]
		work = work[:len(work)-1]
		if v.line >= len(body) || before[v.line] != nil && !before[v.line].learn(v.with) {
			continue
		}
		if before[v.line] == nil {
			before[v.line] = maps.Clone(v.with)
		}
		now := maps.Clone(before[v.line])
		name, operands := split(body[v.line])
		for _, o := range operands {
			if address(o) && now.in(o) {
				list = append(list, fmt.Sprintf("an address: %s", body[v.line]))
			}
		}
		switch {
		case name == "RET":
			continue
		case name == "JMP":
			work = append(work, visit{at[operands[0]], now})
			continue
		case strings.HasPrefix(name, "J"):
			if now["flags"] {
				list = append(list, fmt.Sprintf("line %d jumps: %s", v.line, body[v.line]))
			}
			work = append(work, visit{at[operands[0]], now})
		case len(operands) > 0:
			now.step(name, operands)
		}
		work = append(work, visit{v.line + 1, now})
	}
	return list
}

// learn adds what is secret, and reports whether any of it is new.
func (s secrets) learn(more secrets) (changed bool) {
	for r, secret := range more {
		if secret && !s[r] {
			s[r], changed = true, true
		}
	}
	return changed
}

// in reports whether a secret register is in an operand.
func (s secrets) in(operand string) bool {
	for _, r := range register.FindAllString(operand, -1) {
		if s[r] {
			return true
		}
	}
	return false
}

// step is what an instruction does to the secrets.
func (s secrets) step(name string, operands []string) {
	target := operands[len(operands)-1]
	secret := false
	for _, o := range operands[:max(1, len(operands)-1)] {
		secret = secret || s.value(o)
	}
	general := register.FindString(target) == target
	switch {
	case strings.HasPrefix(name, "CMP"), strings.HasPrefix(name, "TEST"):
		s["flags"] = secret || s.value(target)
	case name == "VPTEST":
		s["flags"] = true
	case strings.HasPrefix(name, "LEA"):
		s[target] = s.in(operands[0])
	case !general:
	case strings.HasPrefix(name, "V"), strings.HasPrefix(name, "K"):
		s[target] = true
	case strings.HasPrefix(name, "MOV"):
		s[target] = secret
	case strings.HasPrefix(name, "XOR") && operands[0] == target:
		s[target], s["flags"] = false, false
	default:
		s[target] = s[target] || secret
		s["flags"] = s[target]
	}
}

// value reports whether what an operand reads is secret.
func (s secrets) value(operand string) bool {
	switch {
	case strings.HasPrefix(operand, "$"), argument.MatchString(operand), operand == rounds:
		return false
	case address(operand):
		return true
	}
	return s.in(operand)
}

// address reports whether an operand is in memory behind a register.
func address(operand string) bool {
	return strings.Contains(operand, "(") && register.MatchString(operand)
}

// split takes a line apart.
func split(line string) (name string, operands []string) {
	name, rest, _ := strings.Cut(line, " ")
	if strings.HasSuffix(name, ":") || rest == "" {
		return name, nil
	}
	for o := range strings.SplitSeq(rest, ",") {
		operands = append(operands, strings.TrimSpace(o))
	}
	return name, operands
}
