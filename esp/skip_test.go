package esp

import "testing"

// Numbers that were left out are never used, and an SA that has not so many left ends.
func TestSkip(t *testing.T) {
	out, err := NewOutbound(suiteCalled(suites[0].name))
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := out.Reserve(1, 100)
	if err != nil || first != 1 {
		t.Fatalf("the first is %d: %v", first, err)
	}
	out.Skip(1000)
	if next, _, err := out.Reserve(2, 100); err != nil || next != 1002 {
		t.Errorf("after 1000 were left out the next is %d: %v", next, err)
	}
	out.Skip(1 << 40) // more than 32 bits have
	if _, state, err := out.Reserve(1, 100); err == nil || state != Hard {
		t.Errorf("beyond the end: %v, %v", state, err)
	}
}
