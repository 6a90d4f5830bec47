package linux

import "testing"

func TestVersion(t *testing.T) {
	for release, want := range map[string][3]int{
		"6.12.48+deb13-cloud-amd64": {6, 12, 48}, "7.0-rc3": {7, 0, 0}, "5.4.0-216-generic": {5, 4, 0}, "strange": {},
	} {
		if major, minor, patch := parse(release); [3]int{major, minor, patch} != want {
			t.Errorf("%s is %d.%d.%d", release, major, minor, patch)
		}
	}
	major, minor, _ := Version()
	if major < 3 || !AtLeast(major, minor) || !AtLeast(major-1, minor+1) || AtLeast(major, minor+1) || AtLeast(major+1, 0) {
		t.Errorf("%d.%d", major, minor)
	}
}
