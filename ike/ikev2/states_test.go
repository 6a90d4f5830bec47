package ikev2

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"causeway/ike/sa"
)

// diagram draws the table of transitions.
func diagram() string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> nascent\n    [*] --> adopted\n")
	for _, t := range transitions {
		fmt.Fprintf(&b, "    %v --> %v : %s\n", t.from, t.to, t.cause)
	}
	b.WriteString("    gone --> [*]\n```\n")
	return b.String()
}

func TestDocumentedStates(t *testing.T) {
	doc, err := os.ReadFile("../../docs/negotiation.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), diagram()) {
		t.Errorf("docs/negotiation.md does not draw the table of states.go; it is\n%s", diagram())
	}
}

func TestTransitions(t *testing.T) {
	seen := map[string]bool{}
	for _, tr := range transitions {
		key := fmt.Sprint(tr.from, tr.cause)
		if seen[key] {
			t.Errorf("two transitions from %v by %q", tr.from, tr.cause)
		}
		seen[key] = true
		if to, ok := tr.from.next(tr.cause); !ok || to != tr.to {
			t.Errorf("%v by %q leads to %v", tr.from, tr.cause, to)
		}
	}
	for s := nascent; s < gone; s++ {
		if to, ok := s.next(causeFailed); !ok || to != gone {
			t.Errorf("%v does not fail", s)
		}
	}
	if _, ok := gone.next(causeFailed); ok {
		t.Error("gone can fail")
	}
}

func TestIllegalTransition(t *testing.T) {
	defer func() {
		if _, ok := recover().(illegalTransition); !ok {
			t.Error("a strict machine does not panic")
		}
	}()
	m := New(Config{Settings: &sa.Settings{}, Strict: true})
	(&ikeSA{m: m, state: nascent}).turn(causeReplaced)
}
