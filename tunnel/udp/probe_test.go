package udp

import "testing"

// TestProbeSaysWhatIsUsed: what `causeway version` shows is what sockets that
// listen then use.
func TestProbeSaysWhatIsUsed(t *testing.T) {
	probed, err := Probe()
	if err != nil {
		t.Fatal(err)
	}
	if used := listen(t, Config{Workers: 2}).Features(); probed.GSO != used.GSO || probed.GRO != used.GRO || probed.Steering != used.Steering {
		t.Errorf("probed %+v, used %+v", probed, used)
	}
}

// TestMergesRight: trains of Linux before 5.12 are not asked for.
func TestMergesRight(t *testing.T) {
	for version, want := range map[[2]int]bool{{4, 19}: false, {5, 11}: false, {5, 12}: true, {6, 1}: true, {0, 0}: false} {
		if mergesRight(version[0], version[1]) != want {
			t.Errorf("Linux %v: %v", version, !want)
		}
	}
}
